"""Consolidation and loading: copies, all or nothing, bad input."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from avalanche_mas.penalty import QuadraticPenalty
from tests.penalty.cases import convnet, move, random_omega


def test_consolidation_copies_and_never_writes_to_what_it_handed_out() -> None:
    model = nn.Linear(2, 2)
    penalty = QuadraticPenalty()
    omega = random_omega(model)
    penalty.consolidate(model, omega)
    omega["weight"].fill_(-1)
    kept = penalty.importance["weight"]
    values = kept.clone()
    assert values.min() >= 0
    anchor, anchor_values = penalty.anchors["weight"], penalty.anchors["weight"].clone()
    move(model)
    penalty.consolidate(model, random_omega(model))
    assert torch.equal(kept, values)
    assert torch.equal(anchor, anchor_values)


def test_views_are_read_only() -> None:
    penalty = QuadraticPenalty()
    with pytest.raises(TypeError):
        penalty.importance["x"] = torch.ones(1)  # type: ignore[index]


# Bad input


@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf])
def test_bad_strength(strength: float) -> None:
    with pytest.raises(ValueError, match=f"lambda_reg .* got {strength}"):
        QuadraticPenalty(strength)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_bad_importance_is_named_and_the_old_one_stays(bad: float) -> None:
    model = nn.Linear(2, 2)
    penalty = QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    state = copy.deepcopy(penalty.state_dict())
    move(model)
    omega = random_omega(model)
    omega["bias"][1] = bad
    with pytest.raises(ValueError, match="importance of 'bias'"):
        penalty.consolidate(model, omega)
    assert_same_state(penalty, state)


def test_bad_parameter_is_named_and_the_old_anchor_stays() -> None:
    model = nn.Linear(2, 2)
    penalty = QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    state = copy.deepcopy(penalty.state_dict())
    model.bias.data[0] = math.nan
    with pytest.raises(ValueError, match="parameter 'bias' has 1 NaN or infinite entries of 2"):
        penalty.consolidate(model, random_omega(model))
    assert_same_state(penalty, state)


def test_omega_of_another_model() -> None:
    model = nn.Linear(2, 2)
    penalty = QuadraticPenalty()
    with pytest.raises(ValueError, match=r"'extra' .* not in the model"):
        penalty.consolidate(model, {"extra": torch.ones(2)})
    with pytest.raises(ValueError, match=r"'bias' has shape \(3,\), the parameter has \(2,\)"):
        penalty.consolidate(model, {"bias": torch.ones(3)})
    assert not penalty.importance


# State


def assert_same_state(penalty: QuadraticPenalty, state: dict[str, Any]) -> None:
    actual = penalty.state_dict()
    assert actual.keys() == state.keys()
    assert (actual["tasks"], actual["accumulation"]) == (state["tasks"], state["accumulation"])
    for entry in ("importance", "anchors"):
        assert actual[entry].keys() == state[entry].keys()
        for name, tensor in state[entry].items():
            assert torch.equal(actual[entry][name], tensor)


def test_state_round_trip() -> None:
    model = convnet()
    penalty = QuadraticPenalty(0.5)
    penalty.consolidate(model, random_omega(model))
    move(model)
    other = QuadraticPenalty(0.5)
    state = copy.deepcopy(penalty.state_dict())
    other.load_state_dict(state)
    assert torch.equal(penalty.value(model), other.value(model))
    state["anchors"]["0.weight"].zero_()  # a copy was taken
    state["tasks"]["0.weight"] = 7
    assert_same_state(other, penalty.state_dict())


def test_bad_state_is_refused_and_the_old_one_stays() -> None:
    model = nn.Linear(2, 2)
    penalty = QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    good = copy.deepcopy(penalty.state_dict())
    ones = torch.ones(2)
    bias = {"importance": {"bias": ones}, "anchors": {"bias": ones}, "tasks": {"bias": 1}}
    for change, message in [
        ({"more": 1}, "expected the entries.*'more'"),
        ({"anchors": {}}, r"only some .* have \['bias'\]"),
        ({"tasks": {}}, r"only some .* have \['bias'\]"),
        ({"anchors": {"bias": torch.ones(3)}}, r"'bias' has shape"),
        ({"importance": {"bias": ones * math.nan}}, "importance of 'bias' has 2"),
        ({"anchors": {"bias": ones * math.inf}}, "anchor of 'bias' has 2"),
        ({"tasks": {"bias": 0}}, "'bias' has an importance of 0 tasks"),
        ({"accumulation": "mean"}, "accumulated with 'mean'.* go on with 'sum'"),
    ]:
        with pytest.raises(ValueError, match=message):
            penalty.load_state_dict({**good, **bias, **change})
    for state in ({}, {name: good[name] for name in ("importance", "anchors")}):
        with pytest.raises(
            ValueError, match=r"expected the entries .* QuadraticPenalty.state_dict"
        ):
            penalty.load_state_dict(state)
    assert_same_state(penalty, good)
