"""The eight data sets of the paper's sequence as Avalanche benchmarks, drawn or real."""

import warnings
from typing import Any

from avalanche_mas.streams import drawn
from avalanche_mas.streams.arguments import IMAGE_SIZES, SMALLEST
from avalanche_mas.streams.builder import eight_tasks, task_stream
from avalanche_mas.streams.duplicates import Duplicate, find_duplicates
from avalanche_mas.streams.own import stream_of_datasets
from avalanche_mas.streams.pictures import ArrayPicture, FilePicture, Picture
from avalanche_mas.streams.registry import TASKS, find_task, is_stand_in, locate, read_lists
from avalanche_mas.streams.stream import TaskBenchmark, TaskInfo, make_dataset, make_stream
from avalanche_mas.streams.task import IMAGENET, Normalisation, Reading, Sample, Sizes, Task
from avalanche_mas.streams.transforms import TRANSFORMS, task_transforms

__all__ = [
    "IMAGENET",
    "IMAGE_SIZES",
    "SMALLEST",
    "TASKS",
    "TRANSFORMS",
    "ArrayPicture",
    "Duplicate",
    "FilePicture",
    "Normalisation",
    "Picture",
    "Reading",
    "Sample",
    "Sizes",
    "Task",
    "TaskBenchmark",
    "TaskInfo",
    "drawn",
    "eight_tasks",
    "find_duplicates",
    "find_task",
    "is_stand_in",
    "locate",
    "make_dataset",
    "make_stream",
    "read_lists",
    "stream_of_datasets",
    "task_stream",
    "task_transforms",
]

_RENAMED = {"TaskData": TaskInfo, "TaskStream": TaskBenchmark}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    now = _RENAMED[name]
    warnings.warn(f"{name} is now {now.__name__}", DeprecationWarning, stacklevel=2)
    return now
