"""Paired differences: what each method does beside fine-tuning, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from scipy.special import stdtrit

from benchmarks.report.figures.style import in_order, title
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.summary import Stat
from benchmarks.report.tables import NOTHING, Cell, Table, signed

REFERENCE = "fine-tuning"
LEVEL = 0.95

Values: TypeAlias = Mapping[Any, float]
"""A method's numbers by what makes each a pair with another method's, such as the seed."""


@dataclass(frozen=True)
class Difference:
    """The mean of n paired differences, and its confidence interval.

    Attributes:
        mean: of the differences.
        pairs: n.
        interval: its ends; None where one pair leaves no spread to estimate.
    """

    mean: float
    pairs: int
    interval: tuple[float, float] | None

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Both ends of the interval, None where there is none."""
        return self.interval or (None, None)


@dataclass(frozen=True)
class Compared:
    """One method beside the reference; None where no pair has such a number."""

    method: str
    accuracy: Difference | None
    forgetting: Difference | None


def difference(ours: Values, reference: Values) -> Difference | None:
    """The paired differences ours − reference, over what both have a number for."""
    return of_differences({key: ours[key] - reference[key] for key in ours if key in reference})


def of_differences(differences: Values) -> Difference | None:
    """The mean of the differences and its interval; None of none.

    With n differences, mean d̄ and sample standard deviation s (divisor n − 1), the interval is
    d̄ ± t(0.975, n − 1) · s / √n, t being the quantile of Student's distribution: that of the
    paired t-test.
    """
    if not differences:
        return None
    stat, n = Stat.of(differences.values()), len(differences)
    if stat.deviation is None:
        return Difference(stat.mean, n, None)
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * stat.deviation / math.sqrt(n)
    return Difference(stat.mean, n, (stat.mean - half, stat.mean + half))


def by_seed(group: Group) -> list[Compared]:
    """Every method of a group beside the reference, paired by seed; empty without a reference."""
    if REFERENCE not in group.runs:
        return []
    accuracy, forgetting = dict[str, Values](), dict[str, Values]()
    for method, runs in group.runs.items():
        accuracy[method] = {run.seed: run.mean_accuracy for run in runs}
        found = ((run.seed, run.forgetting) for run in runs)
        forgetting[method] = {seed: number for seed, number in found if number is not None}
    return [
        Compared(
            method,
            difference(accuracy[method], accuracy[REFERENCE]),
            difference(forgetting[method], forgetting[REFERENCE]),
        )
        for method in in_order(group.runs)
        if method != REFERENCE
    ]


def table(
    name: str, setting: str, compared: Sequence[Compared], each: str, about: Sequence[str]
) -> Table:
    """The differences as a table, with the formula below.

    Args:
        name: short name of the page.
        setting: tasks, data and budget.
        compared: the methods, at least one.
        each: what makes a pair, in a word.
        about: more sentences that belong under the table.
    """
    reference = title(REFERENCE).lower()
    interval = f"{100 * LEVEL:.0f} % interval"
    notes = [
        f"Mean over {each}s of the method's number minus that of {reference} with the same {each},"
        " in points: better above zero for accuracy, below zero for forgetting. Interval: mean ±"
        f" t({(1 + LEVEL) / 2:g}, n − 1) · s / √n, where n is the number of {each}s in common, s the"
        " standard deviation of the differences (divisor n − 1) and t the quantile of Student's"
        " distribution; each interval is for itself, with no correction for how many there are."
    ]
    if each != "seed":
        notes.append(f"The number of one {each} is a mean over the seeds in common.")
    counts = {title(c.method): c.accuracy.pairs if c.accuracy else 0 for c in compared}
    for pairs, said in ((1, f"one {each}, so no interval"), (0, f"no {each}")):
        if concerned := [name for name, count in counts.items() if count == pairs]:
            notes.append(f"In common with {reference}: {said} ({', '.join(concerned)}).")
    return Table(
        name=f"{name}-paired",
        title=f"Paired differences from {reference}, {setting}",
        header=["Method", "n", "Mean accuracy, points", interval, "Forgetting, points", interval],
        rows=[
            [
                Cell(title(one.method)),
                Cell(str(counts[title(one.method)])),
                *_cells(one.accuracy),
                *_cells(one.forgetting),
            ]
            for one in compared
        ],
        notes=[*notes, *about],
        narrow=4,
    )


def _cells(found: Difference | None) -> tuple[Cell, Cell]:
    if found is None:
        return Cell(NOTHING), Cell(NOTHING)
    if found.interval is None:
        return Cell(signed(found.mean)), Cell(NOTHING)
    low, high = map(signed, found.interval)
    return Cell(signed(found.mean)), Cell(f"[{low}, {high}]")


COLUMNS = [
    f"difference_{number}{part}"
    for number in ("accuracy", "forgetting")
    for part in ("", ":low", ":high", ":pairs")
]
"""The names of the columns that `as_numbers` fills."""


def as_numbers(compared: Sequence[Compared], method: str) -> list[float | None]:
    """Differences of one method as fractions, unrounded, in the order of `COLUMNS`."""
    found = next((one for one in compared if one.method == method), Compared(method, None, None))
    return [
        value
        for one in (found.accuracy, found.forgetting)
        for value in ((one.mean, *one.ends, one.pairs) if one else (None,) * 4)
    ]
