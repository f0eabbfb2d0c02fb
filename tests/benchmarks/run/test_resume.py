"""A run interrupted anywhere ends with the numbers of an uninterrupted one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import benchmarks.run.runner
from avalanche_mas.checkpoint import Checkpoints
from avalanche_mas.streams import TaskBenchmark
from benchmarks.commands.options import Options
from benchmarks.commands.plan import plan
from benchmarks.methods import COMPARED, METHODS
from benchmarks.record.schema import (
    CHECKPOINTS,
    CONFIG,
    DECISIONS,
    METRICS,
    OMEGA,
    RESULT,
    VERSIONS,
)
from benchmarks.run.data import with_data
from benchmarks.run.job import Job
from tests.benchmarks.conftest import make_stream
from tests.benchmarks.interruptions import (
    InterruptedRunError,
    before_step,
    interrupt,
    interrupt_at_the_result,
    numbers,
    raise_interrupted,
    said_by,
    silent,
)

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

MakeJob = Callable[..., Job]

CASES: dict[str, dict[str, Any]] = {
    **{
        name: {"method": name, "strength": method.centre}
        for name, method in METHODS.items()
        if name in COMPARED
    },
    "Ω on both": {"method": "mas", "experiment": "importance-data", "importance_on": "train+test"},
    **{
        f"adaptation, {on}": {"method": "mas", "experiment": "adaptation", "importance_on": on}
        for on in ("train, then subset", "subset")
    },
    "adaptation, fine-tuning": {"method": "fine-tuning", "experiment": "adaptation"},
    "in float16": {"method": "mas", "precision": "float16"},
    "framework": {"method": "lwf", "strength": None, "choose": "framework", "epochs": 1},
}


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs save after every step."""
    monkeypatch.setattr(benchmarks.run.runner, "Checkpoints", partial(Checkpoints, every_steps=1))


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("case", CASES)
def test_a_run_that_goes_on_ends_with_the_same_numbers(
    case: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    whole, broken = (make_job("fine-tuning", **CASES[case]) for _ in range(2))
    silent(whole, stream)
    joint, framework = METHODS[whole.settings.method].joint, whole.settings.choose is not None
    # a task has 3 steps an epoch; with the framework the first one has 5 trials and its training
    interrupt(broken, stream, 36 if framework else 9)
    assert not (broken.folder / RESULT).exists()
    torch.rand(3)  # whatever happened in between must not matter
    interrupt_at_the_result(broken, stream)
    assert (broken.folder / CHECKPOINTS).is_dir()
    parts = 1 if joint else 2
    assert said_by(broken, stream) == [going_on(broken, parts)]
    assert numbers(broken.folder) == numbers(whole.folder)
    left = {file.name for file in broken.folder.iterdir()} - {OMEGA}
    assert left == {CONFIG, VERSIONS, METRICS, RESULT} | ({DECISIONS} if framework else set())
    continued = json.loads((broken.folder / VERSIONS).read_text())["continued"]
    assert [entry["trained"] for entry in continued] == ([0, 1] if joint else [1, 2])


def going_on(job: Job, trained: int) -> str:
    place = f"experience {trained}, before its first step"
    return f"resuming from {job.folder / CHECKPOINTS}: {place}"


def test_a_study_that_ends_with_the_only_task(make_job: MakeJob, one_task: TaskBenchmark) -> None:
    changes = {"experiment": "local-vs-global", "tasks": ("letters",)}
    whole, broken = (make_job("fine-tuning", **changes) for _ in range(2))
    silent(whole, one_task)
    interrupt_at_the_result(broken, one_task)
    assert said_by(broken, one_task) == [going_on(broken, 1)]
    assert numbers(broken.folder) == numbers(whole.folder)


# --- any method, any place ---


THREE = ("letters", "svhn", "birds")


@cache
def three_tasks() -> TaskBenchmark:
    return make_stream(THREE, (3, 4, 2))


def job_on_three(method: str, folder: Path) -> Job:
    options = Options("eight-tasks", (method,), THREE, epochs=1, batch_size=8)
    (found,) = plan(options)
    return Job(with_data(found, three_tasks()), folder)


@cache
def uninterrupted(method: str) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        job = job_on_three(method, Path(folder))
        silent(job, three_tasks())
        return numbers(job.folder)


@given(st.sampled_from(COMPARED), st.lists(st.integers(0, 9), max_size=4))
@settings(max_examples=10, deadline=None)
def test_interrupted_again_and_again(method: str, steps: list[int]) -> None:
    with TemporaryDirectory() as folder:
        job = job_on_three(method, Path(folder))
        for step in steps:  # the third of the three tasks ends with step 8 of one go
            with pytest.MonkeyPatch.context() as patch:
                before_step(step, raise_interrupted, patch)
                try:
                    silent(job, three_tasks())
                except InterruptedRunError:
                    continue
                break
        if not (job.folder / RESULT).exists():
            silent(job, three_tasks())
        assert numbers(job.folder) == uninterrupted(method)


# --- what is not a number ---


def test_times_add_up_and_what_was_lost_is_not_in_them(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only training steps move the clock, by a second each: 6 in each of the two tasks."""
    now = [0]
    monkeypatch.setattr(time, "perf_counter", lambda: float(now[0]))

    def tick() -> None:
        now[0] += 1

    for step in range(100):
        before_step(step, tick, monkeypatch)
    job = make_job("mas")
    interrupt(job, stream, 10)
    assert now == [10]
    result = silent(job, stream)
    assert now == [10 + 6]
    assert result["seconds"] == {
        "train": [6, 6],
        "importance": [0, 0],
        "eval": [0, 0],
        "total": 12,
    }
    assert result["peak_memory_mb"] > 50


def test_the_most_memory_of_all_goes_is_told(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("fine-tuning")
    monkeypatch.setattr(benchmarks.run.runner, "peak_memory_mb", lambda: 100.0)
    interrupt(job, stream, 8)
    monkeypatch.setattr(benchmarks.run.runner, "peak_memory_mb", lambda: 60.0)
    assert silent(job, stream)["peak_memory_mb"] == 100.0


def test_progress_goes_on_where_it_was(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("benchmarks.run.loggers.time.monotonic", lambda: next(clock))
    job = make_job("fine-tuning")
    interrupt(job, stream, 8)
    shares: list[float] = []
    benchmarks.run.runner.run(job, lambda _: None, shares.append, stream)
    assert shares[0] == 7 / 12
    assert shares[-1] == 1.0
