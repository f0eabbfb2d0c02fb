"""What a stream is: tasks as experiences, and what was really read for each."""

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
"""Heads of their own and task labels; one head for all tasks in turn; one head with room for all."""


@dataclass(frozen=True)
class TaskInfo:
    """What was really read for one task of a stream, to be told with every result.

    Attributes:
        name: the task's name.
        source: "drawn" or "real".
        classes: class names; the position, plus ``first_label``, is the label.
        sizes: numbers of pictures.
        stand_in: the pictures only take the data set's place; no result on them is one on it.
        as_published: real, no stand-in, and classes and sizes are those of the definition.
        complete: real, no stand-in, and classes and sizes are those that the definition's rule gives
            on the complete official files, whether published or not.
        agreement: in words, how the numbers compare with the published and the complete ones.
        left_out: what the official lists name and the task has not, and how many of it.
        split: a digest of which picture is in which part with which label; equal digests, equal splits.
        first_label: the label of the first class; 0 unless all tasks share one head.
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
    """A benchmark of ``train_stream``, ``valid_stream``, ``test_stream``; an experience is a task.

    Each stream has it as its ``benchmark``.

    Attributes:
        tasks: what was read for each task.
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
        """The tasks in their order; the position is the task label, where there are any."""
        return [task.name for task in self.tasks]

    @property
    def class_names(self) -> list[list[str]]:
        """The class names of every task; the position, plus its ``first_label``, is the label."""
        return [list(task.classes) for task in self.tasks]

    @property
    def outputs(self) -> int:
        """How many outputs one head needs that all tasks share (in "task": the largest head)."""
        return max(task.first_label + len(task.classes) for task in self.tasks)

    @property
    def stand_ins(self) -> list[str]:
        """Names of the tasks whose place is taken by other pictures."""
        return [task.name for task in self.tasks if task.stand_in]


def make_dataset(
    data: Dataset[Any], transforms: Mapping[str, Any], number: int, scenario: str
) -> Any:
    """Avalanche's data set of one part of the task with this number.

    Where tasks have no labels of their own, samples are (x, y), but the data set still knows itself
    as the one task 0: distillation (LwF) asks it.
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
    """Experiences as multi-head and growing models and distillation need them."""
    benchmark = benchmark_from_datasets(**parts)
    if scenario == "task":
        benchmark = with_task_labels(benchmark)
    benchmark = with_classes_timeline(benchmark)
    for stream in benchmark.streams.values():
        for experience in stream:
            # Avalanche makes this a set, which its MultiHeadClassifier cannot index.
            experience.classes_in_this_experience = sorted(experience.classes_in_this_experience)
    return TaskBenchmark(list(benchmark.streams.values()), tasks, scenario)
