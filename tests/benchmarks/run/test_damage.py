"""Files of a run folder that a crash of the machine or a full disk left empty."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.folders import has_checkpoints, is_finished
from benchmarks.record.schema import CHECKPOINTS, OMEGA, RESULT, VERSIONS
from benchmarks.run.job import Job
from tests.benchmarks.command_lines import run as command
from tests.benchmarks.interruptions import (
    before_step,
    interrupt,
    interrupt_at_the_result,
    numbers,
    raise_interrupted,
    said_by,
    silent,
)

MakeJob = Callable[..., Job]
SECOND_TASK = 9  # as a step


def test_an_empty_result_is_gone_while_the_run_goes_on(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = make_job("mas")
    interrupt(job, stream, SECOND_TASK)
    (job.folder / RESULT).touch()
    interrupt(job, stream, 1)
    assert not (job.folder / RESULT).exists()


def test_the_command_keeps_the_checkpoint_beside_an_empty_result(
    tiny: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: TaskBenchmark
) -> None:
    def interrupted(jobs: list[Job], *_: Any) -> list[Job]:
        interrupt_at_the_result(jobs[0], stream)
        return jobs

    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.engines.jobs.run_all", interrupted)
        assert command(tmp_path, "--methods", "mas") == 1
    (checkpoints,) = tmp_path.rglob(CHECKPOINTS)
    checkpoints.with_name(RESULT).touch()
    assert command(tmp_path, "--methods", "mas") == 0
    (job,) = tiny
    assert is_finished(job.folder, job.settings)
    assert not checkpoints.exists()
    assert command(tmp_path / "whole", "--methods", "mas") == 0
    assert numbers(job.folder) == numbers(tiny[1].folder)


def test_the_command_leaves_a_folder_with_nothing_but_a_damaged_result(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(tmp_path, "--methods", "mas") == 0
    folder = tiny[0].folder
    (folder / RESULT).write_bytes(b"")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert command(tmp_path, "--methods", "mas") == 1
    error = capsys.readouterr().err
    assert f"error: {folder / RESULT} cannot be read (Expecting value" in error
    assert f"remove {folder}, and the same command does this run again" in error
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert len(tiny) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (VERSIONS, "", r"versions\.json cannot be read \(Expecting value.*; put a copy back, or"),
        (VERSIONS, "3", r"versions\.json cannot be read \("),
        (VERSIONS, None, r"versions\.json cannot be read \(.*No such file"),
        (OMEGA, "", r"omega\.json cannot be read \(Expecting value.*; remove .* and run again"),
        (OMEGA, None, r"omega\.json cannot be read \(.*No such file"),
        (OMEGA, '{"layers": []}', r"omega\.json holds 0 trainings, 1 were expected"),
    ],
)
def test_what_cannot_be_continued_is_told_before_training(
    name: str,
    content: str | None,
    said: str,
    make_job: MakeJob,
    stream: TaskBenchmark,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = make_job("mas")
    interrupt(job, stream, SECOND_TASK)
    (job.folder / name).unlink()
    if content is not None:
        (job.folder / name).write_text(content)
    before_step(0, raise_interrupted, monkeypatch)
    with pytest.raises(ValueError, match=said) as caught:
        silent(job, stream)
    assert str(caught.value).count(" cannot be read") <= 1
    assert has_checkpoints(job.folder)


def test_a_full_disk_costs_no_more_than_the_task(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full when the checkpoint after the first task is written."""
    whole, broken = make_job("mas"), make_job("mas")
    silent(whole, stream)
    opened = Path.open

    def full(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if mode == "rb+" and path.name.startswith("experience-00001"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OSError, match="No space left"):
            silent(broken, stream)
    assert has_checkpoints(broken.folder)
    assert said_by(broken, stream)[0].endswith("checkpoints: experience 0, after 6 steps")
    assert numbers(broken.folder) == numbers(whole.folder)
