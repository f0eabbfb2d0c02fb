"""Worker processes read the data, and no number depends on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import benchmarks.run.runner
from avalanche_mas.checkpoint import Checkpoints
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.experiments.images import load_task
from benchmarks.run.data import load_stream, stream_of, with_data
from benchmarks.run.job import Job
from tests.benchmarks import own
from tests.benchmarks.interruptions import interrupt, numbers, silent

DROPOUT = f"{own.__name__}:features"
"""A network whose random numbers come between those of the augmentation."""

MakeJob = Callable[..., Job]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few images per class, none of them left for other tests."""
    counts = {"train": 2, "valid": 1, "test": 1}
    monkeypatch.setattr("avalanche_mas.streams.drawn.IMAGES_PER_CLASS", counts)
    for cache in (load_task, load_stream):
        cache.cache_clear()
    yield
    for cache in (load_task, load_stream):
        cache.cache_clear()


@pytest.fixture
def image_job(tmp_path: Path) -> MakeJob:
    """A maker of jobs on drawn images, with a way to keep them and a number of workers."""

    def make(folder: str, *words: str, cache: str = "memory", workers: int = 0) -> Job:
        asked = ["two-tasks", "--tasks", "letters", "svhn", "--image-size", "16", "--epochs", "2"]
        (settings,) = plan(parse("run", "", [*asked, "--batch-size", "16", *words]))
        settings = with_data(settings, stream_of(settings, None, cache))
        return Job(settings, tmp_path / folder, cache=cache, workers=workers)

    return make


@pytest.mark.parametrize(
    "words",
    [
        ("--methods", "mas"),
        ("--methods", "joint", "--transforms", "paper"),
        ("--methods", "ewc", "--scenario", "class"),
        ("--methods", "fine-tuning", "--patience", "1", "--precision", "bfloat16"),
    ],
    ids=" ".join,
)
def test_workers_change_no_number(words: tuple[str, ...], image_job: MakeJob) -> None:
    words = (*words, "--model", DROPOUT)
    found = []
    for workers, cache in ((0, "memory"), (1, "none"), (2, "memory")):
        job = image_job(f"with {workers}", *words, workers=workers, cache=cache)
        silent(job, stream_of(job.settings, None, cache))
        found.append(numbers(job.folder))
    assert found[0] == found[1] == found[2]


def test_a_run_goes_on_with_other_workers(
    image_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_step = partial(Checkpoints, every_steps=1)
    monkeypatch.setattr(benchmarks.run.runner, "Checkpoints", every_step)
    words = ("--methods", "mas", "--model", DROPOUT)
    whole, broken = image_job("whole", *words), image_job("broken", *words, workers=2)
    stream = stream_of(whole.settings, None)
    silent(whole, stream)
    for step, workers in ((1, 2), (2, 1), (2, 0)):
        interrupt(replace(broken, workers=workers), stream, step)
    silent(replace(broken, workers=2), stream)
    assert numbers(broken.folder) == numbers(whole.folder)
