"""Which devices are quick while what they work on stays in a cache. Pure torch."""

from __future__ import annotations

import torch

CACHED = frozenset({"cpu"})
"""The types of devices whose caches decide; others are quick where there are few kernels to launch."""


def in_caches(device: torch.device) -> bool:
    """Return whether pieces that stay in the caches are quicker on this device."""
    return device.type in CACHED
