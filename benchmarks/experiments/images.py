"""The paper's image tasks as a stream, each read once per process and its forks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from avalanche.benchmarks.utils import ConstantSequence

from avalanche_mas.streams import TaskBenchmark, make_stream, task_stream

MakeStream: TypeAlias = Callable[
    [tuple[str, ...], Path | None, tuple[str, ...], int], TaskBenchmark
]
"""From tasks, the folder of the real data (None for drawn data), stand-ins and image size."""


def image_tasks(
    tasks: tuple[str, ...], root: Path | None, stand_ins: tuple[str, ...], image_size: int
) -> TaskBenchmark:
    """Return what `task_stream` returns, but read a task that several streams share only once."""
    singles = [load_task(name, root, name in stand_ins, image_size) for name in tasks]
    parts = {
        part: [
            _numbered(one.streams[part][0].dataset, number) for number, one in enumerate(singles)
        ]
        for part in singles[0].streams
    }
    return make_stream(parts, [one.tasks[0] for one in singles], "task")


@cache
def load_task(name: str, root: Path | None, stand_in: bool, image_size: int) -> TaskBenchmark:
    """Return the stream of one task, read and decoded once."""
    stand_ins = (name,) if stand_in else ()
    return task_stream((name,), root, stand_ins=stand_ins, image_size=image_size)


def _numbered(dataset: Any, task: int) -> Any:
    """Return the data set with another task label; the images are shared."""
    return dataset.update_data_attribute(
        "targets_task_labels", ConstantSequence(task, len(dataset))
    )
