"""Streams of data sets of one's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import TensorDataset

from avalanche_mas.streams import Sizes, TaskBenchmark, stream_of_datasets
from avalanche_mas.streams.own import PARTS

BEES = ("bee", "cat")


def data(*labels: int, classes: tuple[str, ...] | None = None) -> TensorDataset:
    made: Any = TensorDataset(torch.arange(float(len(labels))), torch.tensor(labels))
    made.targets = list(labels)
    if classes is not None:
        made.classes = classes
    return made


def task(*labels: int, **others: Any) -> dict[str, TensorDataset]:
    return {part: data(*labels, **others) for part in PARTS}


def samples(stream: TaskBenchmark, number: int) -> list[list[float]]:
    dataset = stream.train_stream[number].dataset
    return [[float(entry) for entry in dataset[k]] for k in range(len(dataset))]


def test_tasks_have_labels_and_heads_of_their_own() -> None:
    stream = stream_of_datasets({"a": task(0, 1), "b": task(2, 0, 1, classes=("x", "y", "z"))})
    assert stream.task_names == ["a", "b"]
    assert stream.class_names == [["0", "1"], ["x", "y", "z"]]
    assert stream.tasks[1].sizes == Sizes(3, 3, 3)
    assert stream.stand_ins == []
    assert samples(stream, 1) == [[0, 2, 1], [1, 0, 1], [2, 1, 1]]
    assert stream.valid_stream[1].classes_in_this_experience == [0, 1, 2]


def test_parts_without_class_names_have_those_of_the_others() -> None:
    parts = {**task(0, 1), "test": data(0, 1, classes=BEES)}
    assert stream_of_datasets({"a": parts}).class_names == [["bee", "cat"]]


def test_one_head_for_all_tasks() -> None:
    stream = stream_of_datasets({"a": task(0, 1), "b": task(1, 0, 2)}, scenario="domain")
    assert samples(stream, 1) == [[0, 1], [1, 0], [2, 2]]
    assert stream.outputs == 3


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, "no tasks"),
        (
            {"a": {"train": data(0)}},
            r"a: 'valid' needs a data set .*; the task has the parts \['train'\]",
        ),
        ({"a": task()}, "a: 'train' needs a data set with samples"),
        ({"a": task(1, 2)}, "a: the labels of 'train' must be 0 to 1, .* but one is 2"),
        ({"a": {**task(0, 1), "test": data(2)}}, "the labels of 'test' must be 0 to 1"),
        ({"a": task(0, 1, classes=("x",))}, "a: 1 class names for 2 classes"),
        (
            {"a": {**task(0, 1, 2, classes=("ant", "bee", "cat")), "test": data(0, classes=BEES)}},
            r"a: the classes of 'train' are \('ant', 'bee', 'cat'\), but those of 'test' are "
            r"\('bee', 'cat'\), .*; number the classes alike in all parts",
        ),
        (
            {
                "a": {
                    **task(0, 1, classes=BEES),
                    "train": data(0, 1),
                    "test": data(0, classes=("cat",)),
                }
            },
            r"the classes of 'valid' are \('bee', 'cat'\), but those of 'test' are \('cat',\)",
        ),
    ],
)
def test_what_is_no_stream_is_refused(tasks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream_of_datasets(tasks)


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of 'task', 'domain', got 'class'"):
        stream_of_datasets({"a": task(0, 1)}, scenario="class")
