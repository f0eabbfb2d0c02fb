"""Runs as processes of this machine: their ends of every kind, and the end of the command."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from benchmarks.commands.engine import choose_engine
from benchmarks.commands.options import Options, parse
from benchmarks.engines.engine import FINISHED, LINE, LOST, News
from benchmarks.engines.jobs import run_all
from benchmarks.engines.local import LocalEngine
from benchmarks.record.folders import is_finished
from benchmarks.record.schema import LOG
from benchmarks.run.job import Job
from tests.benchmarks.light_jobs import PATIENCE, Light, light_jobs, wait_for
from tests.benchmarks.sessions import check_interrupted_session, python


def attempts(job: Light) -> int:
    return len((job.folder / "attempts").read_text())


def note_attempt(job: Any) -> int:
    job.folder.mkdir(exist_ok=True)
    with (job.folder / "attempts").open("a") as file:
        file.write("x")
    return attempts(job)


def test_a_killed_run_is_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work(job: Any, say: Callable[[str], None], show: Any) -> None:  # noqa: ARG001
        if note_attempt(job) < 3:
            os.kill(os.getpid(), signal.SIGKILL)
        say("here")

    jobs = light_jobs(tmp_path, "a")
    assert run_all(jobs, LocalEngine(2, 1), 2, work) == []
    assert attempts(jobs[0]) == 3
    said = capsys.readouterr().out
    assert "a: lost, as its process was killed by SIGKILL; the system does that when" in said
    assert "retry 2 of 2" in said
    assert "a: here" in said


def test_a_run_that_is_killed_again_and_again_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(job: Any, say: Any, show: Any) -> None:  # noqa: ARG001
        note_attempt(job)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)

    jobs = light_jobs(tmp_path, "a")
    assert run_all(jobs, LocalEngine(1, 1), 1, work) == jobs
    assert attempts(jobs[0]) == 2
    assert "a FAILED: its process was killed by SIGTERM\n" in capsys.readouterr().out


def test_an_error_of_its_own_is_kept_and_not_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(job: Any, say: Callable[[str], None], show: Any) -> None:  # noqa: ARG001
        note_attempt(job)
        if job.name == "wrong":
            raise KeyError("missing")
        if job.name == "gone":
            os._exit(3)
        say("fine")

    jobs = light_jobs(tmp_path, "wrong", "gone", "right")
    assert run_all(jobs, LocalEngine(1, 1), 5, work) == jobs[:2]
    assert [attempts(job) for job in jobs] == [1, 1, 1]
    said = capsys.readouterr().out
    assert f"wrong FAILED: KeyError: 'missing'; see {jobs[0].folder / LOG}" in said
    assert "gone FAILED: its process exited with code 3" in said
    assert "right: fine" in said
    assert 'raise KeyError("missing")' in (jobs[0].folder / LOG).read_text()


def test_runs_go_on_at_the_same_time_and_no_more_than_asked_for(tmp_path: Path) -> None:
    def work(job: Any, say: Any, show: Any) -> None:  # noqa: ARG001
        note_attempt(job)
        if job.name in "ab":  # each waits for the other
            wait_for(*(tmp_path / name / "attempts" for name in "ab"))
            assert not (tmp_path / "c" / "attempts").exists()

    assert run_all(light_jobs(tmp_path, *"abc"), LocalEngine(2, 1), 0, work) == []
    assert attempts(Light("c", tmp_path / "c")) == 1


def test_a_folder_with_nothing_but_a_log_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / LOG).touch()
    assert not is_finished(tmp_path, None)  # type: ignore[arg-type]


class Told:
    """An engine whose runs end as the test says."""

    at_a_time, threads = 1, 1

    def __init__(self, *kinds: str) -> None:
        self.kinds = iter(kinds)
        self.started = 0

    def session(self, jobs: Any, work: Any) -> Any:  # noqa: ARG002
        return self

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True

    def start(self, job: Any) -> int:  # noqa: ARG002
        self.started += 1
        return self.started

    def news(self) -> list[News]:
        return [News(self.started, LINE, "going"), News(self.started, next(self.kinds), "why")]


@pytest.mark.parametrize(
    ("kinds", "retries", "fails", "started"),
    [
        ([FINISHED], 0, False, 1),
        ([LOST], 0, True, 1),
        ([LOST, LOST, FINISHED], 2, False, 3),
        ([LOST, LOST], 1, True, 2),
    ],
)
def test_retries_are_counted(
    kinds: list[str], retries: int, fails: bool, started: int, tmp_path: Path
) -> None:
    jobs, engine = light_jobs(tmp_path, "a"), Told(*kinds)
    assert run_all(jobs, engine, retries, print) == (jobs if fails else [])
    assert (engine.started, engine.ended) == (started, True)


def test_what_has_no_effect_on_this_machine_is_refused() -> None:
    for arguments in (["--gpus", "0.5"], ["--address", "auto"]):
        with pytest.raises(ValueError, match=f"{arguments[0]} has no effect here; add --engine"):
            choose_engine(parse("run", "", ["two-tasks", *arguments]), 1)


def test_a_gpu_that_is_not_there_is_said_once_and_nothing_is_started(
    make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_cuda() -> None:
        raise AssertionError("the runs, which are forked from here, could not use the GPU")

    monkeypatch.setattr(torch.cuda, "is_available", start_cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    jobs = [make_job("mas"), make_job("mas", device="cuda")]
    with pytest.raises(ValueError, match="--device cuda: PyTorch finds no GPU here; leave it out"):
        run_all(jobs, LocalEngine(1, 1), 0, print)
    assert not any(job.folder.exists() for job in jobs)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert run_all(jobs, LocalEngine(1, 1), 0, lambda *_: None) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--gpus", "1.5"], "'1.5' is neither a share of a GPU, such as 0.5, nor a whole number"),
        (["--gpus", "nan"], "'nan' is neither"),
        (["--gpus=-1"], "'-1' is neither"),
        (["--retries", "some"], "'some' is not a whole number of at least 0"),
        (["--address", "ray://head:10001"], "is not HOST:PORT or auto; run the command on a node"),
        (["--engine", "slurm"], "'local', 'ray'"),
    ],
)
def test_engine_options_are_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse("run", "", ["two-tasks", *arguments])
    assert complaint in capsys.readouterr().err


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("ray", "nodes"):
        monkeypatch.delitem(sys.modules, f"benchmarks.engines.{name}", raising=False)
    with pytest.raises(ValueError, match=r"needs Ray, which is not installed; .*'\.\[ray\]'"):
        choose_engine(Options("two-tasks", engine="ray"), 1)


ABANDONED = """
import os, sys, time
from pathlib import Path
from benchmarks.engines.local import LocalEngine
from tests.benchmarks.light_jobs import light_jobs

folder = Path(sys.argv[1])

def work(job, say, show):
    (folder / f"{os.getpid()}.begun").touch()
    time.sleep(3600)

with LocalEngine(2, 1).session([], work) as session:
    for job in light_jobs(folder, "a", "b"):
        session.start(job)
    while True:
        list(session.news())
"""


def test_no_run_outlives_a_command_that_was_killed(tmp_path: Path) -> None:
    with python("-c", ABANDONED, tmp_path) as command:
        end = time.monotonic() + PATIENCE
        while len(begun := list(tmp_path.glob("*.begun"))) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        runs = [psutil.Process(int(file.stem)) for file in begun]
        command.kill()
        left = psutil.wait_procs(runs, timeout=PATIENCE)[1]
        for process in left:
            process.kill()
    assert len(runs) == 2
    assert not left


def test_a_command_stopped_with_ctrl_c_is_finished_by_the_same_command(tmp_path: Path) -> None:
    check_interrupted_session(tmp_path)


def test_an_error_that_cannot_be_kept_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def work(job: Any, say: Any, show: Any) -> None:  # noqa: ARG001
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    full, nowhere = light_jobs(tmp_path, "full", "nowhere/a")
    full.folder.mkdir()
    (full.folder / LOG).symlink_to("/dev/full")
    (tmp_path / "nowhere").touch()
    assert run_all([full, nowhere], LocalEngine(1, 1), 0, work) == [full, nowhere]
    said, error = capfd.readouterr()
    why = "FAILED: OSError: [Errno 28] No space left on device; its traceback is lost, as"
    assert f"full {why} {full.folder / LOG} cannot be written (No space left" in said
    assert f"nowhere/a {why} {nowhere.folder / LOG} cannot be written (Not a directory)" in said
    assert "Traceback" not in said + error


def test_threads_are_omp_s_or_an_equal_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.engines.machine.cores", lambda: 8)
    for named, threads in ((None, 4), ("", 4), ("3", 3), ("1,2", 1), ("no", 4), ("0", 4)):
        if named is None:
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        else:
            monkeypatch.setenv("OMP_NUM_THREADS", named)
        asked = parse("run", "", ["eight-tasks", "--jobs", "2"])
        assert choose_engine(asked, 9) == LocalEngine(2, threads)
    asked = parse("run", "", ["eight-tasks", "--threads", "5"])
    assert choose_engine(asked, 9) == LocalEngine(8, 5)


def test_a_gpu_that_is_not_there_is_said_before_data_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="--device cuda: PyTorch finds no GPU here"):
        choose_engine(parse("run", "", ["eight-tasks", "--device", "cuda"]), 1)
