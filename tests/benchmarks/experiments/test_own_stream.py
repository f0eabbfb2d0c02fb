"""The labels of a stream that a function of the user's makes."""

from __future__ import annotations

from typing import Any

import pytest
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.benchmarks.scenarios import with_task_labels
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset

from benchmarks.experiments import own_stream
from tests.benchmarks.own import blobs

LABELS = {"train": ((0, 1), (2, 3)), "valid": ((0, 1), (2, 3)), "test": ((0, 1), (2, 3))}


def made(monkeypatch: pytest.MonkeyPatch, heads: bool, **labels: Any) -> Any:
    """Return the stream of two tasks with these labels, with a head each or one for both."""
    parts = {
        part: [
            _make_taskaware_classification_dataset(blobs(k, own), task_labels=k * heads)
            for k, own in enumerate(tasks)
        ]
        for part, tasks in {**LABELS, **labels}.items()
    }
    benchmark = benchmark_from_datasets(**parts)
    found = with_task_labels(benchmark) if heads else benchmark
    monkeypatch.setattr(own_stream, "function", lambda *_: lambda: found)
    return own_stream.own_stream("mine:stream")


@pytest.mark.parametrize(
    ("heads", "part", "labels", "message"),
    [
        (
            True,
            "test",
            ((0, 1), (0, 3)),
            r"'test' of task-2 has the label 0, .* with \[2, 3\] only",
        ),
        (
            True,
            "valid",
            ((0, 2), (2, 3)),
            r"'valid' of task-1 has the label 2, .* with \[0, 1\] only",
        ),
        (
            False,
            "test",
            ((0, 1), (3, 4)),
            r"'test' of task-2 has the label 4, .*\[0, 1, 2, 3\] only",
        ),
    ],
)
def test_labels_that_are_not_trained_are_refused(
    heads: bool, part: str, labels: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=f"--stream mine:stream: {message}; number the classes"):
        made(monkeypatch, heads, **{part: labels})


def test_one_head_may_be_tested_on_the_classes_of_all_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = made(monkeypatch, heads=False, test=((0, 1), (0, 1, 2, 3)))
    assert [list(one) for one in stream.class_names] == [["0", "1"], ["2", "3"]]
    assert stream.outputs == 4
