"""Layers that have grown are held where they were, and the rest is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.penalty import gradient as penalty_module
from tests.penalty.cases import (
    assert_gradient_is_that_of_value,
    gradients,
    grow,
    move,
    random_omega,
    set_gradients,
)


@pytest.mark.parametrize("piece", [2, penalty_module.PIECE])
def test_new_entries_of_a_grown_layer_are_free(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalty_module, "PIECE", piece)
    model = nn.Sequential(nn.Linear(3, 2, dtype=torch.float64))
    penalty = QuadraticPenalty(1.0)
    omega = random_omega(model)
    penalty.consolidate(model, omega)
    anchor = model[0].weight.detach().clone()
    model[0] = grow(model[0], 4, 5)
    assert penalty.value(model).item() == 0
    move(model)
    assert_gradient_is_that_of_value(penalty, model)
    weight = model[0].weight
    assert weight.grad is not None
    expected = torch.zeros(5, 4, dtype=torch.float64)
    expected[:2, :3] = 2 * omega["0.weight"] * (weight.detach()[:2, :3] - anchor)
    torch.testing.assert_close(weight.grad, expected)


def test_growth_of_a_parameter_that_is_missing_from_omega() -> None:
    model = nn.Sequential(nn.Linear(3, 2, dtype=torch.float64))
    penalty = QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    model[0] = grow(model[0], 3, 4)
    penalty.consolidate(model, {})
    assert penalty.importance["0.weight"].shape == (4, 3)
    assert penalty.importance["0.weight"][2:].count_nonzero() == 0


@pytest.mark.parametrize("shape", [(1, 3), (2, 2), (6,), (2, 3, 1)])
def test_a_shape_that_shrinks_or_changes_rank_is_refused(shape: tuple[int, ...]) -> None:
    model = nn.Linear(3, 2)
    penalty = QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    set_gradients(model)
    before = gradients(model)
    model.weight = nn.Parameter(torch.zeros(shape))
    for action in (penalty.add_gradient, penalty.value, lambda m: penalty.consolidate(m, {})):
        with pytest.raises(ValueError, match=r"'weight' has shape .*importance has \(2, 3\)"):
            action(model)
    assert torch.equal(model.bias.grad, before["bias"])


def test_a_parameter_that_vanished_is_named() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    penalty = QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    del model[1]
    with pytest.raises(ValueError, match=r"'1\.weight' .* not in the model, which has 0\.weight"):
        penalty.add_gradient(model)
    assert all(p.grad is None for p in model.parameters())
    penalty.add_gradient(model, skip={"1.weight", "1.bias"})


def test_what_was_replaced_is_forgotten_where_it_is_skipped() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3), nn.Linear(3, 2))
    penalty = QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    before = dict(penalty.importance)
    model[1], model[2] = nn.Linear(2, 2), nn.Tanh()
    skip = {"0.weight", "1.weight", "1.bias", "2.weight"}
    with pytest.raises(ValueError, match=r"'2\.bias' .* not in the model"):
        penalty.consolidate(model, {}, skip)
    assert penalty.importance.keys() == penalty.anchors.keys() == before.keys()
    penalty.consolidate(model, {}, skip | {"2.bias"})
    assert list(penalty.importance) == list(penalty.anchors) == ["0.weight", "0.bias"]
    assert all(penalty.importance[name].equal(before[name]) for name in penalty.importance)
