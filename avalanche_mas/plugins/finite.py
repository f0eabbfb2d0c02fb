"""Checks for divergence: non-finite entries and oversized steps. Pure torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from avalanche_mas.names import parameters_of
from avalanche_mas.penalty import QuadraticPenalty, learning_rates

LIMIT = 2.0
"""Plain gradient steps on the penalty diverge where η · 2 λ Ω is larger."""


@torch.no_grad()
def all_finite(gradients: Iterable[Tensor]) -> bool:
    """Return whether no entry is NaN or infinite: one pass over memory, one wait per device."""
    by_device: dict[torch.device, list[Tensor]] = {}
    for gradient in gradients:
        dense = gradient.coalesce().values() if gradient.is_sparse else gradient
        by_device.setdefault(dense.device, []).append(dense)
    return all(_all_finite(tensors) for tensors in by_device.values())


def _all_finite(tensors: list[Tensor]) -> bool:
    norms = torch._foreach_norm(tensors)
    # Squares overflow long before the entries do.
    return math.isfinite(torch.stack(norms).sum().item()) or all(
        bool(tensor.isfinite().all()) for tensor in tensors
    )


@torch.no_grad()
def largest_step(
    penalty: QuadraticPenalty,
    model: nn.Module,
    optimizer: Optimizer,
    skip: Collection[str] = (),
) -> tuple[float, str]:
    """Return the largest η · 2 λ Ω of the parameters held, and the name of the parameter.

    0.0 and an empty name where nothing is held. Parameters that the optimizer does not train take
    no part.
    """
    parameters = parameters_of(model)
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    held = {
        name: parameters[name]
        for name, omega in penalty.importance.items()
        if name not in skip and omega.numel() and id(parameters.get(name)) in trained
    }
    rates = learning_rates(optimizer, held)
    largest = {
        name: float(rates[name]) * 2 * penalty.lambda_reg * penalty.importance[name].max().item()
        for name in held
    }
    name = max(largest, key=largest.__getitem__, default="")
    return largest.get(name, 0.0), name
