"""Paired differences between each method and fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from scipy import stats

from benchmarks.report.names import in_order
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.numbers.summary import Stat

REFERENCE = "fine-tuning"
LEVEL = 0.95

Values: TypeAlias = Mapping[Any, float]
"""A method's numbers by what pairs them with another method's, such as the seed."""


class Difference(NamedTuple):
    """The mean of some paired differences, and its confidence interval; None for one pair."""

    mean: float
    pairs: int
    interval: tuple[float, float] | None


class Compared(NamedTuple):
    """A method's differences from the reference; None where no pair has such a number."""

    method: str
    accuracy: Difference | None
    forgetting: Difference | None


def difference(ours: Values, reference: Values) -> Difference | None:
    """Compare the numbers that both have: ours − reference."""
    return of_differences({key: ours[key] - reference[key] for key in ours if key in reference})


def of_differences(differences: Values) -> Difference | None:
    """Return the mean of the differences and its interval; None if there are no differences.

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
    """Compare every method of a group with the reference by seed; empty without a reference."""
    if REFERENCE not in group.runs:
        return []
    reference = _by_seed(group.runs[REFERENCE])
    return [
        Compared(method, *map(difference, _by_seed(group.runs[method]), reference))
        for method in in_order(group.runs)
        if method != REFERENCE
    ]


def _by_seed(runs: list[FinishedRun]) -> tuple[Values, Values]:
    """Return the mean accuracies and the forgetting of runs by seed."""
    forgetting = {run.seed: run.forgetting for run in runs}
    return (
        {run.seed: run.mean_accuracy for run in runs},
        {seed: number for seed, number in forgetting.items() if number is not None},
    )
