"""Two processes at once."""

import json
import os
import subprocess
import sys
import threading

from avalanche_mas.streams import TASKS
from benchmarks.data import lock
from benchmarks.data.lock import locked
from tests.benchmarks.data.server import send


def test_two_at_once_fetch_once(published, root, server):
    from benchmarks.data.fetch import fetch as run

    said, outcomes = [], []
    content = published["CUB_200_2011.tgz"]
    both = threading.Barrier(2, timeout=10)
    waiting = threading.Event()

    def slowly(handler):
        waiting.wait(10)
        send(content)(handler)

    server.give("/0/CUB_200_2011.tgz", slowly)

    def say(line):
        said.append(line)
        if "waiting for process" in line:
            waiting.set()

    def one():
        both.wait()
        outcomes.extend(run([TASKS["birds"]], root, False, say))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.good for outcome in outcomes] == [True, True]
    assert len(server.asked) == 1
    [line] = [line for line in said if "waiting" in line]
    assert f"waiting for process {os.getpid()} on " in line
    assert [path.name for path in (root / "downloads").iterdir()] == []


HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write('{"pid": 4242, "host": "elsewhere", "since": "yesterday"}')
file.flush()
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
            owner = json.loads(path.read_text())
            assert owner["pid"] == os.getpid()
    assert "waiting for process 4242 on elsewhere (since yesterday)" in said[0]
    assert "was left behind by process 4242 on elsewhere" in said[1]
    assert "taking over" in said[1]
    assert not path.exists()


def test_a_lock_file_of_no_sense_is_taken_over(tmp_path):
    path = tmp_path / "birds.lock"
    path.write_text("what")
    said = []
    with locked(path, said.append):
        pass
    assert "left behind by another process" in said[0]


def test_a_file_that_its_last_owner_removed_is_not_the_lock(tmp_path, monkeypatch):
    path = tmp_path / "birds.lock"
    take, calls = lock._flock, []

    def removed_meanwhile(stream, file):
        if not calls:
            file.unlink()
        calls.append(file)
        return take(stream, file)

    monkeypatch.setattr(lock, "_flock", removed_meanwhile)
    with locked(path, print):
        assert path.exists()
    assert len(calls) == 2


def test_a_file_may_be_removed_between_two_looks_at_it(tmp_path, monkeypatch):
    path, take = tmp_path / "birds.lock", lock._flock
    removals = iter([path.unlink, lambda: None])

    def removed_meanwhile(stream, file):
        next(removals)()
        return take(stream, file)

    monkeypatch.setattr(lock, "_flock", removed_meanwhile)
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
