"""Summaries of the runs of a group, one per method, over its seeds."""

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
    """Mean and sample standard deviation (divisor n − 1) over seeds; None for one value."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> Stat:
        """Return the mean and deviation of at least one value."""
        numbers = list(values)
        deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
        return cls(statistics.fmean(numbers), deviation)


@dataclass(frozen=True)
class Rated:
    """A method and the fractions that methods are judged by; None where there is none.

    Attributes:
        method: The name of the method.
        accuracy: The accuracy at the end, mean over tasks.
        forgetting: The drop of all tasks but the last, mean over tasks.
        learned: The accuracy when just learned, mean over tasks.
    """

    method: str
    accuracy: Stat
    forgetting: Stat | None
    learned: Stat | None


@dataclass(frozen=True)
class Summary(Rated):
    """One method in a group, over its seeds.

    Attributes:
        group: The group.
        seeds: The seeds of its runs.
        strength: Its λ.
        at_end: The accuracy on each task at the end.
        drops: The drop of each task but the last.
        costs: Medians over the runs, as another program on the machine can multiply a run's time.
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
        """The data that importance was measured on, if specified."""
        return self.group.config.get("importance_on")


def summarise(group: Group) -> list[Summary]:
    """Summarise each method, in the order of the tables."""
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
    """Return the mean and deviation of the numbers that are not None."""
    found = [value for value in values if value is not None]
    return Stat.of(found) if found else None


def stat_of_all(values: Sequence[float | None]) -> Stat | None:
    """Return the mean and deviation, if no number is None."""
    found = [value for value in values if value is not None]
    return Stat.of(found) if len(found) == len(values) else None


def _stats(rows: Iterable[np.ndarray[tuple[int], np.dtype[np.float64]]]) -> list[Stat]:
    return [Stat.of(float(value) for value in column) for column in zip(*rows, strict=True)]


def printed(stat: Stat) -> float:
    """Return a fraction's mean in percent, as rounded in print."""
    return round(100 * stat.mean, 1)
