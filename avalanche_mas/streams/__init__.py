"""The eight data sets of the paper's sequence as Avalanche benchmarks, drawn or real."""

from avalanche_mas.streams.builder import eight_tasks, task_stream
from avalanche_mas.streams.own import stream_of_datasets
from avalanche_mas.streams.registry import TASKS
from avalanche_mas.streams.stream import TaskData, TaskStream
from avalanche_mas.streams.task import IMAGENET, Normalisation, Sizes, Task

__all__ = [
    "IMAGENET",
    "TASKS",
    "Normalisation",
    "Sizes",
    "Task",
    "TaskData",
    "TaskStream",
    "eight_tasks",
    "stream_of_datasets",
    "task_stream",
]
