"""How Ω is spread over the parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avalanche_mas.importance.result.ranked import sum_of

__all__ = ["top_share", "used_capacity"]


def top_share(entries: NDArray[Any], part: float = 0.01) -> float:
    """Share of ΣΩ in the parameters of the largest Ω: ⌈part · n⌉ of the n. In [part, 1].

    Args:
        entries: Ω in ascending order, at least one.
        part: Of the parameters, in (0, 1].

    Returns:
        The share, 0 where Ω is zero everywhere.
    """
    total = sum_of(entries)
    top = entries[entries.size - math.ceil(part * entries.size) :]
    return sum_of(top) / total if total > 0 else 0.0


def used_capacity(entries: NDArray[Any], threshold: float | None = None) -> float:
    """Share of the parameters with Ω above a threshold, in [0, 1].

    Args:
        entries: Ω in ascending order, at least one.
        threshold: In the units of Ω; None is the mean of Ω, whatever its scale: few important
            parameters then give a small share, and equally important ones about one half.
    """
    if threshold is None:
        threshold = sum_of(entries) / entries.size
    with np.errstate(over="ignore"):
        bound = entries.dtype.type(threshold)  # of the entries' type, or searching would copy them
    if float(bound) > threshold:
        bound = np.nextafter(bound, entries.dtype.type(-1))
    above = entries.size - int(np.searchsorted(entries, bound, side="right"))
    return above / entries.size
