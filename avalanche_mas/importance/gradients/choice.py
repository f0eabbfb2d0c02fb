"""Which of several ways to add a layer's Σ_k |g_k| is taken: on a GPU the quickest of those that agree.

The first way is the reference. The first time a shape is seen, each way is tried on the data at hand,
compared with the reference, and timed. The choice is kept until the process ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from avalanche_mas.importance.kernels.plans import Precision

Way = Callable[[Tensor], None]
"""Adds Σ_k |g_k|, or of the squares, to a sum."""

ROUNDS = 3
"""How often each way is timed; the least time counts."""

TOLERANCE: dict[Precision, float] = {"ieee": 1e-4, "tf32x3": 1e-4, "tf32": 2e-2}
"""By how much ways may differ, over the largest entry."""


class Key(NamedTuple):
    """What a choice depends on."""

    kind: str
    sizes: tuple[Any, ...]
    layout: tuple[Any, ...]
    device: str
    square: bool
    precision: Precision
    deterministic: bool


CHOSEN: dict[Key, str] = {}
"""The name of the way for each key."""


def key_for(
    kind: str, total: Tensor, *factors: Tensor, square: bool, precision: Precision, detail: Any = ()
) -> Key:
    """Return what the choice depends on.

    Args:
        kind: of the layer.
        total: [*shape of the weight].
        factors: [B, …] each; batches of about the same size share a choice.
        square: whether the squares are summed.
        precision: how float32 is multiplied.
        detail: what else decides, such as a stride.
    """
    about = len(factors[0]).bit_length()
    return Key(
        kind,
        (about, tuple(total.shape), *(tuple(f.shape[1:]) for f in factors), detail),
        tuple((f.dtype, _order(f), f.data_ptr() % 16 == 0) for f in factors),
        str(total.device),
        square,
        precision,
        torch.are_deterministic_algorithms_enabled(),
    )


def choose(key: Key, ways: Mapping[str, Way], total: Tensor) -> str:
    """Return the name of the way to take for a key.

    Where PyTorch is to be deterministic, no times are taken, as a choice by time could round differently
    in every run: it is the last way that agrees.

    Args:
        key: what the choice depends on.
        ways: by name, the reference first.
        total: the sum to be added to, for its shape; it is left as it is.
    """
    if len(ways) == 1:
        return next(iter(ways))
    if key not in CHOSEN:
        reference, *others = ways
        expected = _result(ways[reference], total)
        scale = expected.abs().max().item()
        if not 0 < scale < float("inf"):
            return reference  # nothing to compare with
        agreeing = [n for n in others if _agrees(key, n, ways[n], expected, scale)]
        CHOSEN[key] = _best(key, {n: ways[n] for n in (reference, *agreeing)}, total)
    return CHOSEN[key]


def _agrees(key: Key, name: str, way: Way, expected: Tensor, scale: float) -> bool:
    """Return whether a way works and agrees with the reference; warn if not."""
    what = f"the {name} for a {key.kind} of shape {tuple(expected.shape)} on {key.device}"
    tolerance = TOLERANCE[key.precision] * (2 if key.square else 1)
    try:
        found = _result(way, expected)
        difference = (found - expected).abs().max().item() / scale
    except Exception as error:  # a compiler's or a driver's, of any class
        warnings.warn(
            f"{what} did not run, so PyTorch's operations are used: {type(error).__name__}: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    if not difference <= tolerance:
        warnings.warn(
            f"{what} differs from PyTorch's operations by {difference:.1e} of the largest entry, more "
            f"than {tolerance:.0e}, so these are used; please report it, with the layer's settings",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


def _best(key: Key, ways: Mapping[str, Way], total: Tensor) -> str:
    if len(ways) == 1 or key.deterministic:
        return list(ways)[-1]
    rounds = [{n: milliseconds(way, total) for n, way in ways.items()} for _ in range(ROUNDS)]
    return min(ways, key=lambda name: min(times[name] for times in rounds))


def milliseconds(way: Way, total: Tensor) -> float:
    """Return how long a way takes on a GPU."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    sums = torch.zeros_like(total)
    with torch.cuda.device(total.device):
        start.record()
        way(sums)
        end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def multiplied_as(backend: Any) -> Precision:
    """Return how a backend, such as ``torch.backends.cuda.matmul``, multiplies float32."""
    named = getattr(backend, "fp32_precision", None)  # from torch 2.9 on
    allowed = backend.allow_tf32 if named is None else named == "tf32"
    return "tf32" if allowed else "ieee"


def _result(way: Way, total: Tensor) -> Tensor:
    sums = torch.zeros_like(total)
    way(sums)
    return sums


def _order(tensor: Tensor) -> tuple[int, ...]:
    """Return the dimensions from the one whose entries lie farthest apart to the nearest."""
    steps = tensor.stride()
    return tuple(sorted(range(tensor.dim()), key=lambda d: (-steps[d], d)))
