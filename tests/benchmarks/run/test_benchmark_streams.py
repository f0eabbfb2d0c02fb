"""The data of runs: the stream equals that of `task_stream`, and each task is read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import benchmarks.experiments.images
from avalanche_mas.streams import task_stream
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.experiments.images import image_tasks, load_task
from benchmarks.run.data import load_stream, stream_of


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few images per class, none of them left for other tests."""
    counts = {"train": 2, "valid": 1, "test": 1}
    monkeypatch.setattr("avalanche_mas.streams.drawn.IMAGES_PER_CLASS", counts)
    load_task.cache_clear()
    load_stream.cache_clear()
    yield
    load_task.cache_clear()
    load_stream.cache_clear()


def test_tasks_read_one_by_one_are_the_stream_of_all() -> None:
    ours = image_tasks(("svhn", "letters"), None, (), 16)
    theirs = task_stream(("svhn", "letters"), image_size=16)
    assert ours.tasks == theirs.tasks
    assert ours.scenario == theirs.scenario
    assert list(ours.streams) == list(theirs.streams)
    for part, stream in theirs.streams.items():
        for one, other in zip(ours.streams[part], stream, strict=True):
            assert one.origin_stream.benchmark is ours
            assert one.task_label == other.task_label
            assert one.classes_in_this_experience == other.classes_in_this_experience
            assert list(one.dataset.task_set) == list(other.dataset.task_set)
            for way in ("train", "eval"):  # the transforms of both, from the same random numbers
                assert_same(getattr(one.dataset, way)(), getattr(other.dataset, way)())


def assert_same(one: Any, other: Any) -> None:
    assert list(one.targets) == list(other.targets)
    for data in (one, other):
        torch.manual_seed(0)
        data.seen = list(data)
    for (x, y, task), (x2, y2, task2) in zip(one.seen, other.seen, strict=True):
        assert torch.equal(x, x2)
        assert (y, task) == (y2, task2)


def test_a_task_of_several_sequences_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[str, ...]] = []

    def counted(tasks: tuple[str, ...], *args: Any, **options: Any) -> Any:
        read.append(tasks)
        return task_stream(tasks, *args, **options)

    monkeypatch.setattr(benchmarks.experiments.images, "task_stream", counted)
    arguments = ["two-tasks", "--tasks", "letters", "svhn", "--pairs", "--image-size", "16"]
    runs = plan(parse("run", "", arguments))
    streams = {run.tasks: stream_of(run, None) for run in runs}
    assert [stream.task_names for stream in streams.values()] == [[*tasks] for tasks in streams]
    assert len(streams) == 2
    assert sorted(read) == [("letters",), ("svhn",)]
    assert stream_of(runs[0], None) is streams[runs[0].tasks]


def test_an_experiment_of_ones_own_with_a_stream_of_ones_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    def make(*arguments: Any) -> Any:
        asked.append(arguments)
        return task_stream(("letters",), image_size=16)

    own = Experiment("own", "", (("a", "b"),), known=(), stream=lambda: make)
    monkeypatch.setitem(EXPERIMENTS, "own", own)
    options = replace(parse("run", "", ["eight-tasks", "--image-size", "16"]), experiment="own")
    run = plan(options)[0]
    assert stream_of(run, Path("somewhere")).task_names == ["letters"]
    assert asked == [(("a", "b"), Path("somewhere"), (), 16)]
