"""A stream: tasks as experiences, with a record of the data of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avalanche.benchmarks import CLScenario, benchmark_from_datasets, with_classes_timeline
from avalanche.benchmarks.scenarios import with_task_labels
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset
from torch.utils.data import Dataset

from avalanche_mas.streams.task import Sizes

SCENARIOS = ("task", "domain", "class")
"""One head and label per task; one head that all tasks share; one head that grows with the tasks."""


@dataclass(frozen=True)
class TaskInfo:
    """The data that were read for one task of a stream, to be reported with every result.

    Attributes:
        name: the task's name.
        source: "drawn", "real" or, of `stream_of_datasets`, "own".
        classes: class names; the position, plus ``first_label``, is the label.
        sizes: numbers of pictures.
        stand_in: whether other pictures stand in for the data set; results on them say nothing of it.
        as_published: real, no stand-in, with the classes and sizes of the definition.
        complete: real, no stand-in, with the classes and sizes that the definition's rule gives on
            the complete official files, whether published or not.
        agreement: how the numbers compare with the published and the complete ones, in words.
        left_out: what the official lists name but the task lacks, with counts.
        split: a digest of the pictures and labels in each part; equal digests mean equal splits.
        first_label: the label of the first class; not 0 only in the scenario "class".
    """

    name: str
    source: str
    classes: tuple[str, ...]
    sizes: Sizes
    stand_in: bool
    as_published: bool
    complete: bool = False
    agreement: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    split: str = ""
    first_label: int = 0


class TaskBenchmark(CLScenario):
    """A benchmark of ``train_stream``, ``valid_stream``, ``test_stream``; each experience is a task.

    Each stream refers to it as ``benchmark``.

    Attributes:
        tasks: the data of each task.
        scenario: "task", "domain" or "class"; see :func:`task_stream`.
    """

    def __init__(
        self, streams: list[Any], tasks: Sequence[TaskInfo], scenario: str = "task"
    ) -> None:
        super().__init__(streams)
        for stream in streams:
            stream.benchmark = self  # Avalanche leaves it out
        self.tasks = tuple(tasks)
        self.scenario = scenario

    @property
    def task_names(self) -> list[str]:
        """The tasks' names in order; the position is the task label, if the scenario has task labels."""
        return [task.name for task in self.tasks]

    @property
    def class_names(self) -> list[list[str]]:
        """The class names of every task; the position, plus its ``first_label``, is the label."""
        return [list(task.classes) for task in self.tasks]

    @property
    def outputs(self) -> int:
        """The outputs that a head shared by all tasks needs (in "task": those of the largest head)."""
        return max(task.first_label + len(task.classes) for task in self.tasks)

    @property
    def stand_ins(self) -> list[str]:
        """Names of the tasks for which other pictures stand in."""
        return [task.name for task in self.tasks if task.stand_in]


def make_dataset(
    data: Dataset[Any], transforms: Mapping[str, Any], number: int, scenario: str
) -> Any:
    """Make Avalanche's data set of one part of the task with this number.

    Without task labels, samples are (x, y), but the data set still records task 0 for each, which
    distillation (LwF) reads.
    """
    labelled = scenario == "task"
    made = _make_taskaware_classification_dataset(
        data, transform_groups=transforms, task_labels=number if labelled else 0
    )
    made.targets_task_labels.use_in_getitem = labelled
    return made


def make_stream(
    parts: Mapping[str, list[Any]], tasks: Sequence[TaskInfo], scenario: str
) -> TaskBenchmark:
    """Make the experiences that multi-head models, growing models and distillation need."""
    benchmark = benchmark_from_datasets(**parts)
    if scenario == "task":
        benchmark = with_task_labels(benchmark)
    benchmark = with_classes_timeline(benchmark)
    for stream in benchmark.streams.values():
        for experience in stream:
            # Avalanche makes this a set, which its MultiHeadClassifier cannot index.
            experience.classes_in_this_experience = sorted(experience.classes_in_this_experience)
    return TaskBenchmark(list(benchmark.streams.values()), tasks, scenario)
