"""The distribution of Ω over the parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avalanche_mas.importance.result.ranked import sum_of


def top_share(entries: NDArray[Any], part: float = 0.01) -> float:
    """Return the share of ΣΩ in the ⌈part · n⌉ of n parameters with the largest Ω, in [part, 1].

    Args:
        entries: Ω in ascending order, at least one.
        part: fraction of the parameters, in (0, 1].

    Returns:
        The share, 0 where Ω is zero everywhere.
    """
    total = sum_of(entries)
    top = entries[entries.size - math.ceil(part * entries.size) :]
    return sum_of(top) / total if total > 0 else 0.0


def used_capacity(entries: NDArray[Any], threshold: float | None = None) -> float:
    """Return the share of the parameters with Ω above a threshold, in [0, 1].

    Args:
        entries: Ω in ascending order, at least one.
        threshold: in the units of Ω; None: the mean of Ω, for which a few important parameters give
            a small share, and equally important ones about one half.
    """
    if threshold is None:
        threshold = sum_of(entries) / entries.size
    with np.errstate(over="ignore"):
        # Of the entries' type, so that searching copies nothing.
        bound = entries.dtype.type(threshold)
    if float(bound) > threshold:
        bound = np.nextafter(bound, entries.dtype.type(-1))
    above = entries.size - int(np.searchsorted(entries, bound, side="right"))
    return above / entries.size
