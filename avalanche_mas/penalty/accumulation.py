"""How the importance of a new task joins that of the tasks before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from avalanche_mas.options import check_option, number

Join = Callable[[Tensor, Tensor, float], Tensor]
"""From Ω of the tasks before, Ω_n of the new one, and the share that is left to those before."""


def _sum(old: Tensor, new: Tensor, _: float) -> Tensor:
    return old + new


def _blend(old: Tensor, new: Tensor, share: float) -> Tensor:
    return share * old + (1 - share) * new


def _max(old: Tensor, new: Tensor, _: float) -> Tensor:
    return torch.maximum(old, new)


def _replace(_: Tensor, new: Tensor, __: float) -> Tensor:
    return new.clone()


ACCUMULATIONS: Mapping[str, Join] = MappingProxyType(
    {"sum": _sum, "blend": _blend, "mean": _blend, "max": _max, "replace": _replace}
)
"""The ways by name, as `QuadraticPenalty` describes them."""


def accumulate(
    accumulation: str, old: Tensor, new: Tensor, *, tasks: int, alpha: float | None
) -> Tensor:
    """Return Ω of one parameter with a new task in it.

    Args:
        accumulation: a key of `ACCUMULATIONS`.
        old: Ω over the tasks before; not written to.
        new: Ω_n of the new task, of the same shape; not written to, and not returned.
        tasks: the number of tasks in `old`, at least one.
        alpha: the share of the tasks before, for "blend".
    """
    share = tasks / (tasks + 1) if alpha is None else alpha  # of a mean, or of a blend
    return ACCUMULATIONS[accumulation](old, new, share)


def choose_accumulation(accumulation: str | None, alpha: float | None) -> str:
    """Return the accumulation to use: the one named, else "blend" if alpha is given, else "sum".

    Raises:
        TypeError: α is not a number.
        ValueError: the name is not known, α is outside [0, 1], is given with a way that takes
            none, or is missing with "blend".
    """
    if alpha is not None and not 0 <= number("alpha", alpha) <= 1:
        raise ValueError(f"alpha must be None or in [0, 1], got {alpha}")
    if accumulation is None:
        return "sum" if alpha is None else "blend"
    check_option("accumulation", accumulation, ACCUMULATIONS)
    if accumulation == "blend" and alpha is None:
        raise ValueError(
            "accumulation='blend' needs alpha, in [0, 1]: the share that is left to the tasks before"
        )
    if accumulation != "blend" and alpha is not None:
        raise ValueError(
            f"alpha={alpha} has no effect with accumulation={accumulation!r}; "
            "leave it out, or use accumulation='blend'"
        )
    return accumulation
