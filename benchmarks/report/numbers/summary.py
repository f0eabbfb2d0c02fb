"""Summaries of the runs of a group, one per method, over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.report.names import data_in_order, in_order, title
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import Costs, FinishedRun, ReportError


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
    """A method and the fractions that methods are judged by, means over tasks; None where there is none.

    They are the accuracy at the end, the drop of all tasks but the last, and the accuracy when
    just learned.
    """

    method: str
    accuracy: Stat
    forgetting: Stat | None
    learned: Stat | None


@dataclass(frozen=True)
class Summary(Rated):
    """One method in a group, over its seeds; `at_end` and `drops` are by task.

    Costs are medians over the runs, as another program on the machine can multiply a run's
    time.
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


def summaries_of(groups: Iterable[Group]) -> list[Summary]:
    """Summarise each method of each group."""
    return [summary for group in groups for summary in summarise(group)]


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


class MethodRow(NamedTuple):
    """A row of a table over sequences: a method, the data of its Ω, its summaries by sequence."""

    method: str
    importance_on: str | None
    summaries: dict[int, Summary]

    @property
    def name(self) -> str:
        """The row in words."""
        return title(self.method) + (f" on {self.importance_on}" if self.importance_on else "")


def over_sequences(groups: Sequence[Group]) -> list[MethodRow]:
    """Return the rows of a table with a column for each sequence, in the order of the tables.

    Raises:
        ReportError: A row has several summaries of one sequence.
    """
    places = {tasks: k for k, tasks in enumerate(dict.fromkeys(tuple(g.tasks) for g in groups))}
    found: dict[tuple[str, str | None], MethodRow] = {}
    for summary in summaries_of(groups):
        key, place = (summary.method, summary.importance_on), places[tuple(summary.group.tasks)]
        row = found.setdefault(key, MethodRow(*key, {}))
        if place in row.summaries:
            raise ReportError(
                f"there are runs of {row.name} with several strengths, and the table has one row "
                "for each; report them one by one"
            )
        row.summaries[place] = summary
    data = data_in_order(groups[0].config["experiment"], {on for _, on in found})
    methods = in_order({method for method, _ in found})
    return [found[method, on] for method in methods for on in data if (method, on) in found]


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
