"""Sizes of pieces: on a CPU what its caches hold, elsewhere as much as memory allows.

A CPU is fast if a piece is still in the cache when its absolute value is summed. A GPU is fast with few
pieces, as each launches several kernels.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from avalanche_mas.devices import in_caches

CACHE_BYTES = 2**20
"""Half of a common core's L2 cache."""

MAX_KEPT = 8 * CACHE_BYTES
"""The largest piece whose memory is kept."""


class _Kept(threading.local):
    """Memory by purpose and dtype, for each thread."""

    def __init__(self) -> None:
        self.pieces: dict[tuple[str, torch.dtype], Tensor] = {}


_KEPT = _Kept()


class Magnitude(Protocol):
    """What is summed of the gradients: `torch.abs` or `torch.square`.

    It works entry by entry, and that of a product is the product of those of its factors.
    """

    def __call__(self, input: Tensor, *, out: Tensor | None = None) -> Tensor:  # noqa: A002
        """Return the magnitude, in ``out`` if that is given."""


def wide_type(tensor: Tensor) -> torch.dtype:
    """Return the type to compute in: the tensor's own, or float32 if that is narrower."""
    return torch.promote_types(tensor.dtype, torch.float32)


def scratch(purpose: str, shape: Sequence[int], like: Tensor) -> Tensor:
    """Return memory for a piece, not initialised, of the dtype and on the device of ``like``.

    On a CPU it is the same memory each time, as pages that go back to the system and are asked for again
    cost more than the arithmetic. So a piece is done with before the next one for its purpose is asked for.

    Args:
        purpose: what the piece is for.
        shape: its shape.
        like: a tensor.
    """
    size = math.prod(shape)
    if not in_caches(like.device) or size * like.element_size() > MAX_KEPT:
        return like.new_empty(tuple(shape))
    kept = _KEPT.pieces
    key = (purpose, like.dtype)
    if key not in kept or kept[key].numel() < size:
        kept[key] = like.new_empty(size)
    return kept[key][:size].view(tuple(shape))


def piece_bytes(max_bytes: int, device: torch.device, caches: int = 1) -> int:
    """Return the size of a piece in bytes, where all that is written out may take ``max_bytes``.

    Args:
        max_bytes: for the piece, what it is computed from, and its sum: as large each, at most.
        device: where the piece will be.
        caches: how many times `CACHE_BYTES` it may take on a CPU.
    """
    return min(max_bytes, caches * CACHE_BYTES) if in_caches(device) else max_bytes // 3


def add_magnitudes(
    of: Magnitude, total: Tensor, gradients: Tensor, *, overwrite: bool = False
) -> None:
    """Add Σ_k of(g_k) to ``total`` for gradients [B, *shape]; ``overwrite`` reuses their memory."""
    if in_caches(total.device):
        magnitudes = of(gradients, out=gradients if overwrite else None)
        total += magnitudes.sum(0) if len(magnitudes) > 1 else magnitudes[0]
    elif of is torch.abs:
        total += torch.linalg.vector_norm(gradients, 1, dim=0)  # one kernel, and nothing held
    else:
        total += torch.linalg.vector_norm(gradients, 2, dim=0).square()
