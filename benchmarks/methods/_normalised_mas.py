"""MAS with the importance of every task scaled to the same mean."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from avalanche_mas import MASPlugin
from avalanche_mas.importance import Importance


class NormalisedMASPlugin(MASPlugin):
    """MAS with Ω_n ← Ω_n / mean(Ω_n), the mean over all entries: every task weighs the same in the sum.

    Without it, a task whose outputs are larger, such as one with more classes, weighs more.
    """

    @property
    def _estimator(self) -> Callable[..., Importance]:
        return partial(_normalised, super()._estimator)


def _normalised(measure: Callable[..., Importance], *arguments: Any, **options: Any) -> Importance:
    """Return what `measure` returns, divided by its mean over all entries.

    Raises:
        NotImplementedError: It would refine an earlier importance, whose scale is not known.
    """
    if options.get("start") is not None:
        raise NotImplementedError("a normalised importance cannot be refined with more data")
    omega = measure(*arguments, **options)
    entries = sum(values.numel() for values in omega.values())
    mean = sum(values.double().sum().item() for values in omega.values()) / entries
    scaled = {name: values / mean for name, values in omega.items()}
    return Importance(scaled, omega.samples, measure=omega.measure)
