"""How far training has moved what is held, as the penalty sees it. Pure torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from avalanche_mas.importance.result.ranked import by_layer
from avalanche_mas.names import parameters_of
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.penalty.gradient import pieces
from avalanche_mas.penalty.growth import block

__all__ = ["drift_by_layer", "weighted_squares"]


@torch.no_grad()
def weighted_squares(
    penalty: QuadraticPenalty, model: nn.Module, skip: Collection[str] = ()
) -> dict[str, float]:
    """Σ Ω (θ − θ*)² of each parameter that is held: no λ, no ½.

    λ times their sum is `penalty.value(model, skip)`. It is computed without a graph and in pieces
    that fit into the cache, at little more than one pass over memory.

    Args:
        penalty: Ω and θ*.
        model: θ. A parameter that has grown counts with the block that has an Ω.
        skip: Names of parameters to leave out.
    """
    parameters = parameters_of(model)
    sums = {
        name: _weighted_square(omega, parameters[name], penalty.anchors[name])
        for name, omega in penalty.importance.items()
        if name not in skip
    }
    return dict(zip(sums, torch.stack(list(sums.values())).tolist() if sums else [], strict=True))


def drift_by_layer(squares: Mapping[str, float]) -> dict[str, float]:
    """√(Σ Ω (θ − θ*)²) of each layer: the distance from θ* in the norm that Ω weighs.

    Args:
        squares: From `weighted_squares`, by parameter name.
    """
    return {
        layer: math.sqrt(sum(squares[name] for name in names))
        for layer, names in by_layer(squares).items()
    }


def _weighted_square(omega: Tensor, parameter: Tensor, anchor: Tensor) -> Tensor:
    device = parameter.device
    tensors = (block(parameter, anchor.shape), anchor.to(device), omega.to(device))
    total = torch.zeros((), dtype=torch.float64, device="cpu" if device.type == "mps" else device)
    for theta, old, weight in pieces(tensors):
        total += (theta - old).square_().mul_(weight).sum().to(total.device)
    return total
