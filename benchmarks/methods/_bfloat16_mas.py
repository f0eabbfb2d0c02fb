"""MAS that keeps Ω in half the memory."""

from __future__ import annotations

from typing import Any

import torch

from avalanche_mas import MASPlugin


def bfloat16_mas(**options: Any) -> MASPlugin:
    """Return a plugin with these options that keeps Ω in bfloat16."""
    return MASPlugin(importance_dtype=torch.bfloat16, **options)
