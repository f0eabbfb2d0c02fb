"""The damped step on any quadratic penalty, as `QuadraticPenalty.add_gradient` takes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from avalanche_mas.penalty import learning_rates


class Pull(NamedTuple):
    """What a penalty does to one parameter θ: its gradient, and its second derivative h by entry."""

    name: str
    parameter: nn.Parameter
    gradient: Tensor
    curvature: Tensor | float


@torch.no_grad()
def add_damped(strategy: Any, pulls: Iterable[Pull]) -> None:
    """Set p.grad ← (p.grad + the penalty's gradient) / (1 + η h) for each parameter.

    Raises:
        ValueError: The optimizer has no learning rate η for a parameter.
    """
    pulls = list(pulls)
    rates = learning_rates(strategy.optimizer, {pull.name: pull.parameter for pull in pulls})
    for name, parameter, gradient, curvature in pulls:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad.add_(gradient).div_(1 + rates[name] * curvature)
