"""The ways to add a layer's Σ_k |g_k|: by PyTorch's operations, and on a GPU by a kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from avalanche_mas.importance.gradients.choice import Key, Way, choose, key_for, multiplied_as
from avalanche_mas.importance.gradients.convolved import Convolved
from avalanche_mas.importance.gradients.persample import Outer, PerSample
from avalanche_mas.importance.gradients.pieces import Magnitude
from avalanche_mas.importance.kernels.launch import (
    add_convolution_magnitudes,
    add_product_magnitudes,
    available,
)
from avalanche_mas.importance.kernels.plans import Precision

GENERAL, JOINED = "general path", "one gradient for all samples"
LIBRARY, KERNEL, THREE_PRODUCTS = "PyTorch's operations", "kernel", "kernel with three products"


class Kernels(NamedTuple):
    """The kernels for some gradients, by name, and what the choice of one depends on."""

    key: Key
    ways: dict[str, Way]


def add_sum(part: PerSample, of: Magnitude, total: Tensor, max_bytes: int) -> None:
    """Add Σ_k of(g_k) to ``total``, in the way that is chosen for such a layer on its device.

    Args:
        part: the per-sample gradients.
        of: what is summed of them.
        total: [*shape].
        max_bytes: for what is written out of them.
    """
    ways, chosen = _ways(part, of, total, max_bytes)
    ways[chosen](total)


def way(part: PerSample, of: Magnitude, total: Tensor, max_bytes: int) -> str:
    """Return in words how `add_sum` would add the sum, given the same arguments."""
    if part.samples == 1:
        return JOINED
    chosen = _ways(part, of, total, max_bytes)[1]
    return part.way if chosen == LIBRARY else chosen


def _ways(
    part: PerSample, of: Magnitude, total: Tensor, max_bytes: int
) -> tuple[dict[str, Way], str]:
    """Return the ways by name, and the name of the one to take."""
    ways: dict[str, Way] = {LIBRARY: lambda sums: part.wide().add_sum(of, sums, max_bytes)}
    kernels = _kernels(part, total, max_bytes // 3, square=of is torch.square)
    if kernels is None:
        return ways, LIBRARY
    ways |= kernels.ways
    return ways, choose(kernels.key, ways, total)


def _kernels(part: PerSample, total: Tensor, max_bytes: int, *, square: bool) -> Kernels | None:
    """Return the kernels for the sums of a part; None where there are none, or one gradient does."""
    if part.samples == 1:
        return None
    add: Callable[..., None]
    if isinstance(part, Outer) and not part.factors and available(total, part.left, part.right):
        precision = multiplied_as(torch.backends.cuda.matmul)
        key = key_for("product", total, part.left, part.right, square=square, precision=precision)
        add = partial(add_product_magnitudes, left=part.left, right=part.right)
    elif isinstance(part, Convolved) and available(total, part.delta, part.images):
        precision = multiplied_as(getattr(torch.backends.cudnn, "conv", torch.backends.cudnn))
        key = key_for(
            *("convolution", total, part.delta, part.images),
            square=square,
            precision=precision,
            detail=part.conv,
        )
        add = partial(
            add_convolution_magnitudes, delta=part.delta, images=part.images, conv=part.conv
        )
    else:
        return None
    return Kernels(key, _by_precision(partial(add, square=square, max_bytes=max_bytes), precision))


def _by_precision(add: Callable[..., None], precision: Precision) -> dict[str, Way]:
    if precision == "tf32":
        return {KERNEL: partial(add, precision=precision)}
    return {
        KERNEL: partial(add, precision=precision),
        THREE_PRODUCTS: partial(add, precision="tf32x3"),  # as exact, and on tensor cores
    }
