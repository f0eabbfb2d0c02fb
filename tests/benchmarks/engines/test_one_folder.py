"""Several runs, or commands, that are to fill the same run folder at the same time."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.record.schema import CONFIG, METRICS, OMEGA, RESULT, VERSIONS
from tests.benchmarks.interruptions import numbers
from tests.benchmarks.light_jobs import PATIENCE, wait_for
from tests.benchmarks.run.test_resume import uninterrupted
from tests.benchmarks.sessions import python
from tests.processes import python_path

HOLDER = rf"seed0\.lock is held by process (\d+) on {re.escape(socket.gethostname())} \(since 2"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """What each scene of the script prints; the working directory is that of its folders."""
    folder = tmp_path_factory.mktemp("scenes")
    done = subprocess.run(
        [sys.executable, "-u", "-W", "ignore", "-m", "tests.benchmarks.one_folder"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    parts = done.stdout.split("scene ")[1:]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield {lines[0]: lines[1:] for lines in (part.splitlines() for part in parts)}


def check_folder(folder: Path) -> None:
    """Check that it is as if one run had filled it, and that nothing is left beside it."""
    assert numbers(folder) == uninterrupted("mas")
    assert {file.name for file in folder.iterdir()} == {CONFIG, VERSIONS, METRICS, OMEGA, RESULT}
    assert {entry.name for entry in folder.parent.iterdir()} <= {folder.name, "killed"}


def test_a_run_waits_for_another_one_and_finds_it_done(scenes: dict[str, list[str]]) -> None:
    said = scenes["one_waits"]
    (process,) = [line.rpartition(" ")[2] for line in said if "trains in process" in line]
    assert len([line for line in said if f"waiting for process {process} on " in line]) == 1
    assert len([line for line in said if "already there, in one_waits" in line]) == 1
    assert said[-1] == "failed 0"
    check_folder(Path("one_waits/seed0"))


def test_a_run_that_another_process_does_is_refused(scenes: dict[str, list[str]]) -> None:
    said = scenes["one_is_refused"]
    (process,) = [line.rpartition(" ")[2] for line in said if "trains in process" in line]
    (line,) = [line for line in said if "FAILED" in line]
    assert re.findall(HOLDER, line) == [process]
    assert said[-1] == "failed 1"
    check_folder(Path("one_is_refused/seed0"))


def test_the_lock_of_a_killed_run_is_free(scenes: dict[str, list[str]]) -> None:
    said = "\n".join(scenes["one_is_killed"])
    assert "retry 1 of 1" in said
    assert "which has ended; taking over" in said
    assert "checkpoints: experience 1, after 3 steps" in said
    assert said.endswith("failed 0")
    check_folder(Path("one_is_killed/seed0"))


@contextmanager
def command(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with python(Path(__file__).parents[1] / "held_command.py", folder) as process:
        yield process
        process.wait(2 * PATIENCE)


def test_a_second_command_is_refused_and_told_who_is_at_work(tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    with command(tmp_path) as first:
        wait_for(tmp_path / "begun")
        with command(tmp_path) as second:
            out, err = second.communicate(timeout=PATIENCE)
        (process,) = re.findall(HOLDER, err)
        assert err.startswith("error: ")
        assert second.returncode == 1
        assert "mean " not in out, "it has trained"
        assert int((tmp_path / "begun").read_text()) == int(process)
        os.killpg(first.pid, signal.SIGKILL)
    (tmp_path / "hold").unlink()
    with command(tmp_path) as third:
        out, err = third.communicate(timeout=PATIENCE)
    assert third.returncode == 0, err
    assert "resuming from" in out
    (result,) = tmp_path.rglob(RESULT)
    assert {entry.name for entry in result.parents[1].iterdir()} == {"seed0"}
