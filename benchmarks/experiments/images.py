"""The paper's image tasks as a stream, each read once per process and its forks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from avalanche.benchmarks.utils import ConstantSequence

from avalanche_mas.streams import (
    TaskBenchmark,
    find_task,
    make_stream,
    task_stream,
    task_transforms,
)
from benchmarks.experiments.later import InOwnProcess

MakeStream: TypeAlias = Callable[..., TaskBenchmark]
"""From tasks, the folder of the real data (None for drawn data), stand-ins and image size; and by
name, options of `task_stream`."""


def image_tasks(
    tasks: tuple[str, ...],
    root: Path | None,
    stand_ins: tuple[str, ...],
    image_size: int,
    **options: Any,
) -> TaskBenchmark:
    """Return what `task_stream` returns, but read a task that several streams share only once.

    Random transforms stay in the run's own process; see `later`.
    """
    scenario, kind = options.get("scenario", "task"), options.get("transforms", "shift")
    if scenario == "class":  # labels depend on the tasks before
        whole = task_stream(tasks, root, stand_ins=stand_ins, image_size=image_size, **options)
        facts, parts = whole.tasks, {p: [e.dataset for e in s] for p, s in whole.streams.items()}
    else:
        singles = [load_task(n, root, n in stand_ins, image_size, **options) for n in tasks]
        facts = tuple(one.tasks[0] for one in singles)
        parts = {p: [one.streams[p][0].dataset for one in singles] for p in singles[0].streams}
    if scenario == "task":
        parts = {p: [_numbered(data, k) for k, data in enumerate(own)] for p, own in parts.items()}
    parts["train"] = [
        data.replace_current_transform_group(_training_transform(name, kind, image_size))
        for name, data in zip(tasks, parts["train"], strict=True)
    ]
    return make_stream(parts, facts, scenario)


@cache
def load_task(
    name: str, root: Path | None, stand_in: bool, image_size: int, **options: Any
) -> TaskBenchmark:
    """Return the stream of one task, read and decoded once."""
    stand_ins = (name,) if stand_in else ()
    return task_stream((name,), root, stand_ins=stand_ins, image_size=image_size, **options)


def _training_transform(name: str, kind: str, image_size: int) -> InOwnProcess:
    task = find_task(name)
    how = task_transforms(kind, image_size, task.normalisation, augment=True, flip=task.flip)
    return InOwnProcess(how.train)


def _numbered(dataset: Any, task: int) -> Any:
    """Return the data set with another task label; the images are shared."""
    return dataset.update_data_attribute(
        "targets_task_labels", ConstantSequence(task, len(dataset))
    )
