"""What the runs of a group say: one summary a method, over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.report.names import in_order
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import Costs, FinishedRun


@dataclass(frozen=True)
class Stat:
    """Mean and sample standard deviation (divisor n − 1) over seeds; no deviation of one value."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> Stat:
        """The mean and deviation of at least one value."""
        numbers = list(values)
        deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
        return cls(statistics.fmean(numbers), deviation)


@dataclass(frozen=True)
class Rated:
    """A method with the numbers that methods are judged by, fractions; None where there is none.

    Attributes:
        method: its name.
        accuracy: mean over tasks of the accuracy at the end.
        forgetting: mean drop of all tasks but the last.
        learned: mean over tasks of the accuracy when just learned.
    """

    method: str
    accuracy: Stat
    forgetting: Stat | None
    learned: Stat | None


@dataclass(frozen=True)
class Summary(Rated):
    """One method in a group, over its seeds.

    Attributes:
        group: the group.
        seeds: the seeds of its runs.
        strength: its λ.
        at_end: accuracy on each task at the end.
        drops: drop of each task but the last.
        costs: medians over the runs, as one run beside another program takes a multiple of its time.
    """

    group: Group
    seeds: tuple[int, ...]
    strength: float | None
    at_end: list[Stat]
    drops: list[Stat] | None
    costs: Costs

    @property
    def runs(self) -> list[FinishedRun]:
        """Its runs."""
        return self.group.runs[self.method]

    @property
    def importance_on(self) -> str | None:
        """The data that importance was measured on, where that is said."""
        return self.group.config.get("importance_on")


def summarise(group: Group) -> list[Summary]:
    """A summary of each method, in the order of the tables."""
    return [_summary(group, method) for method in in_order(group.runs)]


def _summary(group: Group, method: str) -> Summary:
    runs = group.runs[method]
    forgetting = stat_of_all([run.forgetting for run in runs])
    drops = [np.diagonal(run.accuracy)[:-1] - run.accuracy[-1, :-1] for run in runs]
    return Summary(
        method=method,
        accuracy=Stat.of(run.mean_accuracy for run in runs),
        forgetting=forgetting,
        learned=stat_of_all([run.learned for run in runs]),
        group=group,
        seeds=tuple(run.seed for run in runs),
        strength=runs[0].config.get("strength"),
        at_end=_stats(run.accuracy[-1] for run in runs),
        drops=None if forgetting is None else _stats(drops),
        costs=_medians([run.costs for run in runs]),
    )


def _medians(costs: Sequence[Costs]) -> Costs:
    parts: list[Any] = [
        None if None in part else statistics.median(part) for part in zip(*costs, strict=True)
    ]
    return Costs(*parts)


def stat_of_any(values: Iterable[float | None]) -> Stat | None:
    """Mean and deviation of the numbers there are."""
    found = [value for value in values if value is not None]
    return Stat.of(found) if found else None


def stat_of_all(values: Sequence[float | None]) -> Stat | None:
    """Mean and deviation, if every run has the number."""
    found = [value for value in values if value is not None]
    return Stat.of(found) if len(found) == len(values) else None


def _stats(rows: Iterable[np.ndarray[tuple[int], np.dtype[np.float64]]]) -> list[Stat]:
    return [Stat.of(float(value) for value in column) for column in zip(*rows, strict=True)]


def printed(stat: Stat) -> float:
    """A fraction's mean in percent, as rounded in print."""
    return round(100 * stat.mean, 1)
