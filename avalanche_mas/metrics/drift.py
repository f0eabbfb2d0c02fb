"""The distance that training has moved the held parameters, as the penalty measures it. Pure torch."""

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


@torch.no_grad()
def weighted_squares(
    penalty: QuadraticPenalty, model: nn.Module, skip: Collection[str] = ()
) -> dict[str, float]:
    """Return Σ Ω (θ − θ*)² of each held parameter: no λ, no ½.

    λ times their sum is `penalty.value(model, skip)`. The computation builds no graph and works in
    pieces that fit into the cache, at little more than the cost of one pass over memory.

    Args:
        penalty: holds Ω and θ*.
        model: has θ. Of a parameter that has grown, only the block with an Ω counts.
        skip: names of parameters to leave out.
    """
    parameters = parameters_of(model)
    sums = {
        name: _weighted_square(omega, parameters[name], penalty.anchors[name])
        for name, omega in penalty.importance.items()
        if name not in skip
    }
    return dict(zip(sums, torch.stack(list(sums.values())).tolist() if sums else [], strict=True))


def drift_by_layer(squares: Mapping[str, float]) -> dict[str, float]:
    """Return √(Σ Ω (θ − θ*)²) of each layer: the distance from θ* in the norm weighted by Ω.

    Args:
        squares: from `weighted_squares`, by parameter name.
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
