"""How far the parameters have moved, against a loop over entries in float64."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pytest
import torch
from torch import nn

from avalanche_mas.metrics.drift import drift_by_layer, weighted_squares
from avalanche_mas.metrics.penalty import penalty_share
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.penalty.gradient import PIECE
from tests.penalty.cases import convnet, grow, move, random_omega


def slow_squares(
    penalty: QuadraticPenalty, model: nn.Module, skip: Collection[str] = ()
) -> dict[str, float]:
    parameters = dict(model.named_parameters())
    squares = {}
    for name, omega in penalty.importance.items():
        if name not in skip:
            anchor = penalty.anchors[name].double().numpy()
            theta = parameters[name].detach().double().numpy()
            weights = omega.double().numpy()
            squares[name] = math.fsum(
                weights[at] * (theta[at] - anchor[at]) ** 2 for at in np.ndindex(anchor.shape)
            )
    return squares


@pytest.mark.parametrize("skip", [(), ("0.weight",)])
def test_squares_are_those_of_the_loop_and_make_up_the_penalty(skip: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    model, penalty = convnet(), QuadraticPenalty(3.0)
    penalty.consolidate(model, random_omega(model))
    move(model)
    squares = weighted_squares(penalty, model, skip)
    assert squares == pytest.approx(slow_squares(penalty, model, skip), rel=1e-5)
    value = penalty.value(model, skip).item()
    assert 3.0 * sum(squares.values()) == pytest.approx(value, rel=1e-5)
    assert value > 0


def test_many_pieces_and_transposed_memory() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, PIECE // 2, bias=False)
    model.weight = nn.Parameter(torch.randn(3, PIECE // 2).T)
    penalty = QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    move(model)
    difference = (model.weight.detach() - penalty.anchors["weight"]).double()
    expected = (penalty.importance["weight"].double() * difference**2).sum().item()
    assert weighted_squares(penalty, model)["weight"] == pytest.approx(expected, rel=1e-5)


def test_a_layer_that_has_grown_counts_with_what_it_was() -> None:
    torch.manual_seed(0)
    model, penalty = nn.Sequential(nn.Linear(3, 2)), QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    move(model)
    before = weighted_squares(penalty, model)
    model[0] = grow(model[0], 3, 5)
    assert weighted_squares(penalty, model) == pytest.approx(before, rel=1e-5)


def test_nothing_held_has_not_moved() -> None:
    assert weighted_squares(QuadraticPenalty(), nn.Linear(2, 2)) == {}


def test_drift_of_a_layer_is_the_root_over_its_parameters() -> None:
    squares = {"token": 4.0, "conv.weight": 7.0, "fc.weight": 1.0, "conv.bias": 9.0}
    assert drift_by_layer(squares) == {"token": 2.0, "conv": 4.0, "fc": 1.0}


@pytest.mark.parametrize(
    ("penalty", "minimised", "share"),
    [(1.0, 4.0, 0.25), (0.0, 2.0, 0.0), (2.0, 2.0, 1.0), (2.0, 2.0 - 1e-6, 1.0)],
)
def test_share(penalty: float, minimised: float, share: float) -> None:
    assert penalty_share(penalty, minimised) == share


@pytest.mark.parametrize(
    ("penalty", "minimised"),
    [(0.0, 0.0), (2.0, 1.0), (1.0, -1.0), (1.0, math.inf), (math.inf, math.inf), (1.0, math.nan)],
)
def test_a_share_of_nothing_is_not_known(penalty: float, minimised: float) -> None:
    assert math.isnan(penalty_share(penalty, minimised))
