"""Parameters that have grown: the old tensor is the leading block of the new one."""

from __future__ import annotations

import torch
from torch import Tensor

from avalanche_mas.penalty.checks import check_growth


def grown(name: str, old: Tensor, parameter: Tensor) -> Tensor:
    """Return Ω in the shape and on the device of its parameter: zero where the parameter is new.

    Args:
        name: the parameter's name, for messages.
        old: Ω from before the parameter has grown; it is not written to, but may be returned.
        parameter: the parameter now, of which the old one is the leading block.

    Raises:
        ValueError: the parameter has shrunk or changed its rank.
    """
    check_growth(name, old, parameter)
    old = old.to(parameter.device)
    if old.shape == parameter.shape:
        return old
    new = old.new_zeros(parameter.shape)
    block(new, old.shape).copy_(old)
    return new


def block(tensor: Tensor, shape: torch.Size) -> Tensor:
    """Return the leading block of this shape, a view."""
    return tensor if tensor.shape == shape else tensor[tuple(map(slice, shape))]
