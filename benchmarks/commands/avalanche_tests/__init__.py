"""Avalanche's own tests with the plugins of this library in its strategies."""

from __future__ import annotations

WAYS = ("as it is", "in place", "beside")
"""Avalanche's tests as they are; its `MASPlugin` and `MAS` replaced by ours; ours in every strategy."""
