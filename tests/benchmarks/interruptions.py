"""Runs that are stopped midway, and the parts of a finished run that must be equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from avalanche.training.templates.base_sgd import BaseSGDTemplate

import benchmarks.run.runner
from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.schema import CONFIG, METRICS, OMEGA, RESULT
from benchmarks.run.job import Job
from benchmarks.run.runner import run

TIMES = {"seconds", "peak_memory_mb", "finished", "importance_seconds"}


class InterruptedRunError(Exception):
    """The error that stops a run here."""


def raise_interrupted() -> None:
    raise InterruptedRunError


def before_step(step: int, do: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    """Do something before training step `step`, counted from 0, trials included."""
    taken = iter(range(100_000))
    original = BaseSGDTemplate._before_update

    def counted(self: Any, **options: Any) -> None:
        if next(taken) == step:
            do()
        original(self, **options)

    patch.setattr(BaseSGDTemplate, "_before_update", counted)


def silent(job: Job, stream: TaskBenchmark) -> dict[str, Any]:
    return run(job, say=lambda _: None, stream=stream)


def interrupt(job: Job, stream: TaskBenchmark, step: int) -> None:
    """Begin or continue a run, and stop it before a step."""
    with pytest.MonkeyPatch.context() as patch:
        before_step(step, raise_interrupted, patch)
        with pytest.raises(InterruptedRunError):
            silent(job, stream)


def interrupt_at_the_result(job: Job, stream: TaskBenchmark) -> None:
    """Begin or continue a run, and stop it when it is about to write its result."""
    original = benchmarks.run.runner.write_json

    def stop(file: Path, content: Any) -> None:
        if file.name == RESULT:
            raise_interrupted()
        original(file, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmarks.run.runner, "write_json", stop)
        with pytest.raises(InterruptedRunError):
            silent(job, stream)


def said_by(job: Job, stream: TaskBenchmark) -> list[str]:
    """Return the lines of a run."""
    lines: list[str] = []
    run(job, say=lines.append, stream=stream)
    return lines


def numbers(folder: Path) -> dict[str, Any]:
    """Return all that a finished run folder holds, except times and memory."""
    result = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return {
        "result": {name: value for name, value in result.items() if name not in TIMES},
        "config": (folder / CONFIG).read_bytes(),
        "metrics": (folder / METRICS).read_bytes(),
        "omega": (folder / OMEGA).read_bytes() if (folder / OMEGA).exists() else None,
    }
