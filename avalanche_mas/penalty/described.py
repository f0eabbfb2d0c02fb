"""A penalty in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avalanche_mas.penalty.quadratic import QuadraticPenalty


def described(penalty: QuadraticPenalty, *more: str) -> str:
    """Return the strength, options that are not the default, `more` of them, and what is held.

    The size is that of Ω and θ* together.
    """
    alpha, way, dtype = penalty.alpha, penalty.accumulation, penalty.importance_dtype
    options = [f"lambda_reg={penalty.lambda_reg:g}"]
    options += [] if alpha is None else [f"alpha={alpha:g}"]
    options += [] if way in ("sum", "blend") else [f"accumulation={way!r}"]
    options += [] if dtype is None else [f"importance_dtype={dtype}"]
    return ", ".join([*options, *more, _held(penalty)])


def _held(penalty: QuadraticPenalty) -> str:
    importance = penalty.importance
    if not importance:
        return "tasks=0"
    tasks = max(penalty.state_dict()["tasks"].values())
    entries = sum(omega.numel() for omega in importance.values())
    held = [*importance.values(), *penalty.anchors.values()]
    size = _size(sum(tensor.numel() * tensor.element_size() for tensor in held))
    return f"tasks={tasks}, parameters={len(importance)}, entries={entries}, size={size!r}"


def _size(number: float) -> str:
    """Return a number of bytes in decimal units."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.4g} {unit}"
        number /= 1000
    return f"{number:.4g} GB"
