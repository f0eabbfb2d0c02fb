"""One process at a time."""

import fcntl
import json
import os
import subprocess
import sys
import threading

import pytest

from benchmarks.record import lock
from benchmarks.record.lock import InUseError, check_free, locked, owner_file


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.01)


HOLD = """
import sys, time
from pathlib import Path
from filelock import FileLock
from benchmarks.record.lock import owner_file
path = Path(sys.argv[1])
with FileLock(path):
    owner_file(path).write_text('{"pid": 4242, "host": "elsewhere", "since": "yesterday"}')
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    path = tmp_path / "birds.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    said = []

    def say(line):
        said.append(line)
        holder.kill()

    with holder:
        assert holder.stdout.readline() == "held\n"
        with locked(path, say):
            owner = json.loads(owner_file(path).read_text())
            assert owner["pid"] == os.getpid()
    assert "waiting for process 4242 on elsewhere (since yesterday)" in said[0]
    assert "was left behind by process 4242 on elsewhere" in said[1]
    assert "taking over" in said[1]
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_of_no_sense_is_taken_over(tmp_path):
    path = tmp_path / "birds.lock"
    owner_file(path).write_text("what")
    said = []
    with locked(path, said.append):
        pass
    assert "left behind by another process" in said[0]


def test_a_file_that_its_last_owner_removed_is_not_the_lock(tmp_path, monkeypatch):
    path = tmp_path / "birds.lock"
    take, calls = fcntl.flock, []

    def removed_meanwhile(file, operation):
        if not calls:
            path.unlink()
        calls.append(file)
        return take(file, operation)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with locked(path, print):
        assert path.exists()
        assert len(calls) >= 2  # filelock 4.3 looks once more


def test_a_file_may_be_removed_between_two_looks_at_it(tmp_path, monkeypatch):
    path, take = tmp_path / "birds.lock", fcntl.flock
    removals = iter([path.unlink, lambda: None, lambda: None])

    def removed_meanwhile(file, operation):
        next(removals)()
        return take(file, operation)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    monkeypatch.setattr("pathlib.Path.exists", lambda _: True)  # as it was a moment ago
    with locked(path, print):
        assert os.path.lexists(path)


def test_many_take_turns(tmp_path):
    inside, most = [], []

    def one():
        for _ in range(10):
            with locked(tmp_path / "lock", lambda _: None):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    assert lock.PATIENCE < 0.1
    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 40


def test_who_will_not_wait_for_long_is_told_who_holds_it(tmp_path):
    path = tmp_path / "seed0.lock"
    check_free(path)
    assert list(tmp_path.iterdir()) == []
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        told = r"seed0\.lock is held by process 4242 on elsewhere \(since yesterday\); wait until"
        with pytest.raises(InUseError, match=told):
            check_free(path)
        said = []
        with pytest.raises(InUseError, match=told), locked(path, said.append, patience=0.5):
            pass
        assert said == [
            f"waiting for process 4242 on elsewhere (since yesterday), which holds {path}"
        ]
        holder.kill()
    assert path.exists()
    check_free(path)
    assert list(tmp_path.iterdir()) == []
