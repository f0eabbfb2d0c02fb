"""Checks of the tensors that a penalty is given, and of the parameters that it holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_REPLACED = (
    "If it was replaced, leave it out: with exclude= of a plugin, or skip= of a penalty's methods"
)


def check_growth(name: str, old: Tensor, parameter: Tensor) -> None:
    """Raise ValueError unless the old tensor can be the leading block of the parameter."""
    if not fits(old, parameter):
        raise ValueError(
            f"parameter {name!r} has shape {tuple(parameter.shape)}, but its importance has "
            f"{tuple(old.shape)}; a parameter may grow, but not shrink or change its rank. "
            f"{_REPLACED}"
        )


def fits(old: Tensor, parameter: Tensor) -> bool:
    """Return whether the old tensor can be the leading block of the parameter."""
    same_rank = old.dim() == parameter.dim()
    return same_rank and all(a <= b for a, b in zip(old.shape, parameter.shape, strict=True))


def find(parameters: Mapping[str, nn.Parameter], name: str) -> nn.Parameter:
    """Return the parameter of this name, or raise ValueError if the model has none."""
    if name not in parameters:
        raise ValueError(
            f"parameter {name!r} has an importance but is not in the model, "
            f"which has {_some(parameters)}. {_REPLACED}"
        )
    return parameters[name]


def _some(names: Collection[str], count: int = 6) -> str:
    """Return the first names, for a message."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(list(names)[:count]) + more


def check_importance(name: str, omega: Tensor, parameter: Tensor) -> None:
    """Raise ValueError unless Ω has the parameter's shape, and is finite and not negative."""
    if omega.shape != parameter.shape:
        raise ValueError(
            f"the importance of {name!r} has shape {tuple(omega.shape)}, "
            f"the parameter has {tuple(parameter.shape)}"
        )
    check_finite(f"the importance of {name!r}", omega)
    if omega.numel() and omega.min() < 0:
        raise ValueError(f"the importance of {name!r} has a negative entry, {omega.min().item()}")


def check_finite(what: str, tensor: Tensor) -> None:
    """Raise ValueError if an entry is NaN or infinite."""
    bad = int((~torch.isfinite(tensor)).sum())
    if bad:
        raise ValueError(f"{what} has {bad} NaN or infinite entries of {tensor.numel()}")


Named = Mapping[str, Tensor]


def checked_state(
    state: Mapping[str, Any], accumulation: str
) -> tuple[Named, Named, Mapping[str, int]]:
    """Return Ω, θ* and task counts from a `QuadraticPenalty.state_dict`.

    Raises:
        ValueError: the entries are not those, do not fit together, are not finite, or are of
            another accumulation.
    """
    expected = {"importance", "anchors", "tasks", "accumulation"}
    if set(state) != expected:
        raise ValueError(
            f"expected the entries {sorted(expected)}, found {sorted(state)}; "
            "pass what QuadraticPenalty.state_dict() returned"
        )
    if state["accumulation"] != accumulation:
        raise ValueError(
            f"the tasks of this state were accumulated with {state['accumulation']!r}; they "
            f"cannot go on with {accumulation!r}"
        )
    importance, anchors, tasks = (state[k] for k in ("importance", "anchors", "tasks"))
    if not importance.keys() == anchors.keys() == tasks.keys():
        every = importance.keys() & anchors.keys() & tasks.keys()
        differing = sorted((importance.keys() | anchors.keys() | tasks.keys()) - every)
        raise ValueError(f"only some of importance, anchors and tasks have {differing}")
    for name, anchor in anchors.items():
        check_importance(name, importance[name], anchor)
        check_finite(f"the anchor of {name!r}", anchor)
        if tasks[name] < 1:
            raise ValueError(f"{name!r} has an importance of {tasks[name]} tasks")
    return importance, anchors, tasks
