"""Sizes of pieces: on a CPU what its caches hold, elsewhere as much as memory allows.

A CPU is fast if a piece is still in the cache when its absolute value is summed. A GPU is fast with few
pieces, as each launches several kernels.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from avalanche_mas.devices import in_caches

CACHE_BYTES = 2**20
"""Half of a common core's L2 cache."""


class Magnitude(Protocol):
    """What is summed of the gradients: `torch.abs` or `torch.square`.

    It works entry by entry, and that of a product is the product of those of its factors.
    """

    def __call__(self, input: Tensor, *, out: Tensor | None = None) -> Tensor:  # noqa: A002
        """Return the magnitude, in ``out`` if that is given."""


def wide_type(tensor: Tensor) -> torch.dtype:
    """Return the type to compute in: the tensor's own, or float32 if that is narrower."""
    return torch.promote_types(tensor.dtype, torch.float32)


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
