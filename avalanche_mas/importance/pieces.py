"""How much is handled at a time: on a CPU what its caches hold, elsewhere as much as memory allows.

A CPU is quick where a piece is still in the cache when its absolute value is summed. A GPU is quick
where there are few pieces, for each of them is several kernels to launch.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["CACHE_BYTES", "add_abs_sum", "in_caches", "piece_bytes"]

CACHE_BYTES = 2**20
"""Half of a common core's L2 cache."""

CACHED = frozenset({"cpu"})
"""The types of devices on which pieces are to stay in the caches."""


def in_caches(device: torch.device) -> bool:
    """Whether pieces on this device are to stay in the caches."""
    return device.type in CACHED


def piece_bytes(max_bytes: int, device: torch.device, caches: int = 1) -> int:
    """Give the size of a piece, where all that is written out may take ``max_bytes``.

    Args:
        max_bytes: for the piece, what it is computed from, and its sum: as large each, at most.
        device: where the piece will be.
        caches: how often `CACHE_BYTES` it may take on a CPU, where the rest is small beside it.
    """
    return min(max_bytes, caches * CACHE_BYTES) if in_caches(device) else max_bytes // 3


def add_abs_sum(total: Tensor, gradients: Tensor, *, overwrite: bool = False) -> None:
    """Add Σ_k |g_k| to ``total`` for gradients [B, *shape], which may be overwritten or not."""
    if not in_caches(total.device):
        total += torch.linalg.vector_norm(gradients, 1, dim=0)  # one kernel, and nothing held
        return
    magnitudes = gradients.abs_() if overwrite else gradients.abs()
    total += magnitudes.sum(0) if len(magnitudes) > 1 else magnitudes[0]
