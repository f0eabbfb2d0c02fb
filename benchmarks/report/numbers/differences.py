"""Paired differences of the methods from fine-tuning, and from MAS with corrected intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import stats

from benchmarks.report.names import in_order, is_upper_bound, method_named
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.numbers.summary import Stat

REFERENCE = "fine-tuning"
OURS = "mas"
"""The method of this project, with which the report compares the others."""

LEVEL = 0.95

ROUNDING = 1e-9
"""A standard deviation below this share of the mean is rounding."""

Values: TypeAlias = Mapping[Any, float]
"""A method's numbers by what pairs them with another method's, such as the seed."""

Both: TypeAlias = tuple[Values, Values]
"""A method's mean accuracies, and what it forgets."""


class Difference(NamedTuple):
    """The mean of some paired differences, its confidence interval and p-value.

    The last two are None for one pair, and for several that are alike but not zero.
    """

    mean: float
    pairs: int
    interval: tuple[float, float] | None
    p: float | None

    @property
    def sign(self) -> int:
        """1 if the interval, as printed, is above zero, −1 if it is below, otherwise 0."""
        low, high = self.interval or (0.0, 0.0)
        return (round(100 * low, 1) > 0) - (round(100 * high, 1) < 0)


class Compared(NamedTuple):
    """A method's differences from the reference; None where no pair has such a number."""

    method: str
    accuracy: Difference | None
    forgetting: Difference | None


def minus(ours: Values, reference: Values) -> Values:
    """Return the differences of the numbers that both have: ours − reference."""
    return {key: ours[key] - reference[key] for key in ours if key in reference}


def of_differences(differences: Values, comparisons: int = 1) -> Difference | None:
    """Return the mean of the differences and its interval; None if there are no differences.

    With n differences, mean d̄ and sample standard deviation s (divisor n − 1), the interval is
    d̄ ± t(1 − 0.05 / (2 m), n − 1) · s / √n, t being the quantile of Student's distribution and m
    the number of comparisons: by Bonferroni's inequality all m hold at once in at least 95 % of
    cases. For m = 1 it is that of the paired t-test. The p-value is for m = 1.
    """
    if not differences:
        return None
    mean, n, spread = statistics.fmean(differences.values()), len(differences), _spread(differences)
    if spread is None:
        return Difference(mean, n, None, None)
    error = spread / math.sqrt(n)
    half = float(stats.t.ppf(1 - (1 - LEVEL) / (2 * comparisons), n - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, n - 1)) if error else 1.0
    return Difference(mean, n, (mean - half, mean + half), p)


def _spread(differences: Values) -> float | None:
    """Return the standard deviation; None where it is not known.

    That is so for one difference, and for several that are alike but not zero: with a few test images
    they are so by chance.
    """
    stat = Stat.of(differences.values())
    if stat.deviation is None or stat.deviation < ROUNDING * abs(stat.mean):
        return None
    return stat.deviation


def by_seed(group: Group, reference: str = REFERENCE) -> list[Compared]:
    """Compare every method of a group with the reference by seed; empty without a reference.

    If the reference is MAS, upper bounds are left out, as are methods with exactly the accuracies
    of another, and the intervals are corrected for their number.
    """
    return _compare([group], _by_seed(group, reference), reference)


def by_sequence(groups: Sequence[Group], reference: str = REFERENCE) -> list[Compared]:
    """Compare as `by_seed`, but by the sequence of tasks, each with its mean over common seeds."""
    by_place = [_by_seed(group, reference) for group in groups]

    def over_all(method: str, part: int) -> Values:
        found = {k: own[method][part] for k, own in enumerate(by_place) if method in own}
        return {place: statistics.fmean(own.values()) for place, own in found.items() if own}

    methods = {method for own in by_place for method in own}
    return _compare(groups, {m: (over_all(m, 0), over_all(m, 1)) for m in methods}, reference)


def twins(group: Group) -> dict[str, str]:
    """Return the methods with exactly the accuracies of another that says so, and that other."""
    found: dict[str, str] = {}
    for method in in_order(group.runs):
        for other in method_named(method).may_equal:
            if other not in found and identical(group, method, other):
                found.setdefault(method, other)
    return found


def identical(group: Group, one: str, other: str) -> bool:
    """Return whether two methods have the same accuracies in all runs with a seed in common."""
    ours, theirs = (
        {run.seed: run.accuracy for run in group.runs.get(method, [])} for method in (one, other)
    )
    common = ours.keys() & theirs.keys()
    return bool(common) and all(
        np.array_equal(ours[seed], theirs[seed], equal_nan=True) for seed in common
    )


def comparisons(compared: Sequence[Compared]) -> int:
    """Return the number of intervals."""
    return sum(one is not None and one.interval is not None for c in compared for one in c[1:])


def _compare(groups: Sequence[Group], found: Mapping[str, Both], reference: str) -> list[Compared]:
    """Return the differences by method, in the order of the tables."""
    if reference != OURS:
        return [Compared(m, *map(of_differences, found[m])) for m in in_order(found)]
    own = [{*group.runs} - {*twins(group)} for group in groups]
    methods = [m for m in in_order(found) if not is_upper_bound(m) and any(m in o for o in own)]
    given = [values for method in methods for values in found[method] if values]
    number = sum(_spread(values) is not None for values in given)
    made = [of_differences(v, max(1, number)) for method in methods for v in found[method]]
    corrected = iter(holm([one.p for one in made if one and one.p is not None]))
    made = [one._replace(p=next(corrected)) if one and one.p is not None else one for one in made]
    return list(map(Compared, methods, made[::2], made[1::2]))


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number by Holm's method."""
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(np.arange(len(p), 0, -1) * np.asarray(p, float)[order])
    return [float(value) for value in np.minimum(raised, 1)[np.argsort(order, kind="stable")]]


def _by_seed(group: Group, reference: str) -> dict[str, Both]:
    """Return the differences of every other method from the reference, by seed."""
    if reference not in group.runs:
        return {}
    accuracy, forgetting = _numbers(group.runs[reference])
    found = {m: _numbers(runs) for m, runs in group.runs.items() if m != reference}
    return {m: (minus(a, accuracy), minus(f, forgetting)) for m, (a, f) in found.items()}


def _numbers(runs: list[FinishedRun]) -> Both:
    """Return the mean accuracies and the forgetting of runs by seed."""
    forgetting = {run.seed: run.forgetting for run in runs}
    return (
        {run.seed: run.mean_accuracy for run in runs},
        {seed: number for seed, number in forgetting.items() if number is not None},
    )
