"""The data of runs: the stream equals that of `task_stream`, and each task is read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import benchmarks.experiments.images
from avalanche_mas import streams
from avalanche_mas.streams import task_stream
from benchmarks.commands.launch import _read_data
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


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scenario": "domain", "transforms": "paper"},
        {"scenario": "class", "classes": 3},
        {"images_per_class": 1, "cache": None},
    ],
    ids=str,
)
def test_tasks_read_one_by_one_are_the_stream_of_all(options: dict[str, Any]) -> None:
    ours = image_tasks(("svhn", "letters"), None, (), 16, **options)
    theirs = task_stream(("svhn", "letters"), image_size=16, **options)
    assert ours.tasks == theirs.tasks
    assert ours.scenario == theirs.scenario
    assert list(ours.streams) == list(theirs.streams)
    for part, stream in theirs.streams.items():
        for one, other in zip(ours.streams[part], stream, strict=True):
            assert one.origin_stream.benchmark is ours
            assert getattr(one, "task_label", None) == getattr(other, "task_label", None)
            assert one.classes_in_this_experience == other.classes_in_this_experience
            assert list(one.dataset.task_set) == list(other.dataset.task_set)
            for way in ("train", "eval"):  # the transforms of both, from the same random numbers
                assert_same(getattr(one.dataset, way)(), getattr(other.dataset, way)())


def assert_same(one: Any, other: Any) -> None:
    assert list(one.targets) == list(other.targets)
    for data in (one, other):
        torch.manual_seed(0)
        data.seen = list(data)
    for (x, *labels), (x2, *labels2) in zip(one.seen, other.seen, strict=True):
        assert torch.equal(x, x2)
        assert labels == labels2


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


@pytest.mark.parametrize("more", [[], ["--scenario", "class"], ["--classes", "3"]], ids=" ".join)
def test_what_is_read_is_said_task_by_task_and_read_once(
    more: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[str] = []

    def counted(task: str, part: str, **options: Any) -> Any:
        drawn.append(f"{task} {part}")
        return draw(task, part, **options)

    draw = streams.drawn.draw
    monkeypatch.setattr("avalanche_mas.streams.drawn.draw", counted)
    words = ["two-tasks", "--tasks", "letters", "svhn", "--image-size", "16", *more]
    options = parse("run", "", words)
    _read_data(options, plan(options), "memory")
    assert len(drawn) == len({*drawn}) == 6
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "reading the data: letters, svhn (drawn) ..."
    said = [line.rsplit(",", 1)[0].rsplit(" ", 2)[0] for line in rest]
    assert said == ([] if "class" in more else ["  letters:", "  svhn:"])


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


def test_what_the_command_line_says_of_the_data_reaches_the_stream(tmp_path: Path) -> None:
    words = ["two-tasks", "--tasks", "letters", "svhn", "--image-size", "16"]
    more = ["--scenario", "class", "--classes", "3", "--images-per-class", "1"]
    run = plan(parse("run", "", [*words, *more, "--transforms", "paper"]))[0]
    stream = stream_of(run, None, str(tmp_path))
    assert (stream.scenario, stream.outputs) == ("class", 6)
    assert [task.sizes.train for task in stream.tasks] == [3, 3]
    assert len(list(tmp_path.iterdir())) == 2
    again = stream_of(run, None, "none")
    for one, other in zip(stream.test_stream, again.test_stream, strict=True):
        assert all(torch.equal(a[0], b[0]) for a, b in zip(one.dataset, other.dataset, strict=True))


def test_digits_in_every_scenario() -> None:
    labels = {"task": [0, 1], "domain": [0, 1], "class": [2, 3]}
    for scenario, expected in labels.items():
        words = ["split-mnist", "--tasks", "1-2", "9-0", "--scenario", scenario]
        stream = stream_of(plan(parse("run", "", words))[0], None)
        assert stream.scenario == scenario
        assert sorted({int(y) for y in stream.train_stream[1].dataset.targets}) == expected
