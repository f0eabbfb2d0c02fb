"""Operations that look at a tensor's form, not at its values."""

from __future__ import annotations

__all__ = ["INSPECTIONS"]

_INSPECTIONS = (
    "__get__ __len__ dim dim_order element_size get_device is_contiguous is_floating_point ndimension "
    "nelement numel size storage_offset stride type"
)
INSPECTIONS = frozenset(_INSPECTIONS.split())
"""Names of functions that mostly look at a tensor without using what is in it."""
