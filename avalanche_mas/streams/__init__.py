"""The eight data sets of the paper's sequence as Avalanche benchmarks, drawn or real."""

import warnings
from typing import Any

from avalanche_mas.streams.builder import eight_tasks, task_stream
from avalanche_mas.streams.own import stream_of_datasets
from avalanche_mas.streams.registry import TASKS
from avalanche_mas.streams.stream import TaskBenchmark, TaskInfo
from avalanche_mas.streams.task import IMAGENET, Normalisation, Sizes, Task

__all__ = [
    "IMAGENET",
    "TASKS",
    "Normalisation",
    "Sizes",
    "Task",
    "TaskBenchmark",
    "TaskInfo",
    "eight_tasks",
    "stream_of_datasets",
    "task_stream",
]

_RENAMED = {"TaskData": TaskInfo, "TaskStream": TaskBenchmark}


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    now = _RENAMED[name]
    warnings.warn(f"{name} is now {now.__name__}", DeprecationWarning, stacklevel=2)
    return now
