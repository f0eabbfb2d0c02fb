"""Paired differences: what each method does beside fine-tuning, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from scipy import stats

from benchmarks.report.names import in_order
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.summary import Stat

REFERENCE = "fine-tuning"
LEVEL = 0.95

Values: TypeAlias = Mapping[Any, float]
"""A method's numbers by what makes each a pair with another method's, such as the seed."""


class Difference(NamedTuple):
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
    def low(self) -> float | None:
        """The lower end of the interval, None where there is none."""
        return self.interval[0] if self.interval else None

    @property
    def high(self) -> float | None:
        """The upper end of the interval, None where there is none."""
        return self.interval[1] if self.interval else None


class Compared(NamedTuple):
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
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * stat.deviation / math.sqrt(n)
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
