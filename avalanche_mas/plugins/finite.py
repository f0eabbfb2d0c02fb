"""Training that breaks is stopped at the step where it does. Pure torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from avalanche_mas.penalty import QuadraticPenalty, learning_rates

LIMIT = 2.0
"""Plain gradient steps on the penalty diverge where η · 2 λ Ω is larger."""


@torch.no_grad()
def all_finite(gradients: Iterable[Tensor]) -> bool:
    """Return whether no entry is NaN or infinite: one pass over memory, one wait for the device."""
    dense = [g.coalesce().values() if g.is_sparse else g for g in gradients]
    dense = [g for g in dense if g.numel()]
    if not dense:
        return True
    norms = torch._foreach_norm(dense)
    total = torch.stack([norm.to(norms[0].device, torch.float64) for norm in norms]).sum()
    # Squares overflow long before the entries do.
    return bool(total.isfinite()) or all(bool(g.isfinite().all()) for g in dense)


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
    parameters = dict(model.named_parameters())
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
