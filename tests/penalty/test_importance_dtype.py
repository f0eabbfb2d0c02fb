"""Ω in bfloat16: what is rounded, how far, and what is not."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from avalanche_mas import MASPlugin
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.penalty.accumulation import ACCUMULATIONS
from avalanche_mas.tensor_files import read_tensors, write_tensors
from tests.penalty.cases import convnet, gradients, grow, move, random_omega, set_gradients

ROUNDING = 2**-8
"""The largest relative error of a number rounded to bfloat16."""


def twins(strength: float = 1.0) -> tuple[QuadraticPenalty, QuadraticPenalty]:
    """A penalty that keeps Ω as it is measured, and one that keeps it in bfloat16."""
    return QuadraticPenalty(strength), QuadraticPenalty(strength, importance_dtype=torch.bfloat16)


def test_only_omega_is_rounded_and_the_penalty_is_zero_at_the_anchors() -> None:
    model = convnet()
    exact, narrow = twins()
    omega = random_omega(model)
    for penalty in (exact, narrow):
        penalty.consolidate(model, omega)
    assert narrow.value(model).item() == 0
    for name in omega:
        assert exact.importance[name].dtype == torch.float32
        assert torch.equal(narrow.importance[name], omega[name].bfloat16())
        assert torch.equal(narrow.anchors[name], exact.anchors[name])
    narrow.add_gradient(model)
    assert not any(gradient.any() for gradient in gradients(model).values())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(-6, 6),
    strength=st.floats(0, 1e4),
    rate=st.none() | st.floats(0, 10),
)
def test_the_gradient_is_off_by_no_more_than_the_rounding(
    seed: int, scale: float, strength: float, rate: float | None
) -> None:
    torch.manual_seed(seed)
    model = nn.Linear(5, 4).double()
    omega = {name: each.float() * 10**scale for name, each in random_omega(model).items()}
    rates = None if rate is None else dict.fromkeys(omega, rate)
    found = []
    exact, narrow = twins(strength)
    for penalty in (exact, narrow):
        penalty.consolidate(model, omega)
    move(model)
    set_gradients(model)
    before = gradients(model)
    for penalty in (exact, narrow):
        for name, p in model.named_parameters():
            p.grad = before[name].clone()
        penalty.add_gradient(model, optimizer=rates)
        found.append(gradients(model))
    for name, p in model.named_parameters():
        h = 2 * strength * omega[name].double()
        damping = 1 + (rate or 0) * h
        moved = (p - exact.anchors[name]).abs().detach()
        # d/dh of (g + h d) / (1 + η h), times the error of h
        slope = (moved + (rate or 0) * before[name].abs()) / damping / (damping * (1 - ROUNDING))
        allowed = slope * h * ROUNDING + 1e-9 * found[0][name].abs()
        assert ((found[0][name] - found[1][name]).abs() <= allowed).all()


@pytest.mark.parametrize("accumulation", ACCUMULATIONS)
def test_every_accumulation_is_computed_in_float32_and_rounded_once(accumulation: str) -> None:
    alpha = 0.3 if accumulation == "blend" else None
    model = nn.Linear(40, 30)
    narrow = QuadraticPenalty(1.0, alpha, accumulation, torch.bfloat16)
    first, second = random_omega(model), {"weight": torch.rand(30, 40).bfloat16() / 3}
    narrow.consolidate(model, first)
    start = {name: omega.float() for name, omega in narrow.importance.items()}
    exact = QuadraticPenalty(1.0, alpha, accumulation)
    exact.consolidate(model, start)
    exact.consolidate(model, {"weight": second["weight"].float()})
    narrow.consolidate(model, second)
    for name, omega in narrow.importance.items():
        assert torch.equal(omega, exact.importance[name].bfloat16())


def test_the_state_keeps_it_and_either_kind_goes_on_from_the_other(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 2, dtype=torch.float64))
    exact, narrow = twins()
    omega = {name: each.float() for name, each in random_omega(model).items()}
    for penalty in (exact, narrow):
        penalty.consolidate(model, omega)
    torch.save(narrow.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    again, other = twins()
    again.load_state_dict(state)
    assert again.importance["0.weight"].dtype == torch.bfloat16  # what there is, is not widened
    other.load_state_dict(exact.state_dict())
    assert torch.equal(other.importance["0.weight"], narrow.importance["0.weight"])
    model[0] = grow(model[0], 4, 5)
    other.consolidate(model, {})
    assert other.importance["0.weight"].dtype == torch.bfloat16
    assert copy.deepcopy(other).importance_dtype == torch.bfloat16
    write_tensors(tmp_path / "omega.safetensors", narrow.importance, {})
    saved, _ = read_tensors(tmp_path / "omega.safetensors")
    assert torch.equal(saved["0.weight"], narrow.importance["0.weight"])


def test_without_strength_nothing_is_touched_to_the_bit() -> None:
    model = convnet()
    _, narrow = twins(0.0)
    narrow.consolidate(model, random_omega(model))
    move(model)
    set_gradients(model)
    before = gradients(model)
    narrow.add_gradient(model)
    assert all(torch.equal(gradient, before[name]) for name, gradient in gradients(model).items())


@pytest.mark.parametrize("make", [QuadraticPenalty, MASPlugin])
def test_another_dtype_is_refused(make: type) -> None:
    with pytest.raises(ValueError, match=r"importance_dtype must be one of None, torch.bfloat16"):
        make(importance_dtype=torch.float16)
