"""The penalty's value and gradient: by hand, and against autograd in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.penalty import gradient as penalty_module
from tests.penalty.cases import (
    assert_gradient_is_that_of_value,
    convnet,
    move,
    moved,
    random_omega,
    set_gradients,
    three_away,
)


def test_by_hand() -> None:
    model, penalty = three_away()

    penalty.add_gradient(model)

    assert penalty.value(model).item() == 5 * 2 * 3**2
    assert model.theta.grad.item() == 7 + 2 * 5 * 2 * 3


def test_nothing_is_held_before_the_first_task() -> None:
    model = convnet()
    penalty = QuadraticPenalty(1.0)
    penalty.add_gradient(model)
    assert penalty.value(model).item() == 0
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("piece", [7, penalty_module.PIECE])
def test_gradient_is_that_of_value(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalty_module, "PIECE", piece)
    torch.manual_seed(0)
    model = convnet().double()
    penalty = QuadraticPenalty(0.7)
    penalty.consolidate(model, random_omega(model))
    move(model)
    set_gradients(model)
    assert_gradient_is_that_of_value(penalty, model)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(0, 5), min_size=0, max_size=4),
    piece=st.integers(1, 40),
    strength=st.floats(0, 100),
)
def test_gradient_for_any_shape_and_piece(shape: list[int], piece: int, strength: float) -> None:
    module, penalty = moved(shape, strength)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(penalty_module, "PIECE", piece)
        assert_gradient_is_that_of_value(penalty, module)


@pytest.mark.parametrize("piece", [11, penalty_module.PIECE])
def test_strides_of_any_kind(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalty_module, "PIECE", piece)
    model = convnet().double().to(memory_format=torch.channels_last)
    model.transposed = nn.Parameter(torch.randn(6, 9, dtype=torch.float64).t())
    model.strided = nn.Parameter(torch.randn(8, 8, dtype=torch.float64)[::2, 1::2])
    assert not model.strided.is_contiguous()
    penalty = QuadraticPenalty(2.0)
    omega = {name: torch.rand(p.shape, dtype=p.dtype) for name, p in model.named_parameters()}
    penalty.consolidate(model, omega)  # contiguous Ω beside strided θ
    move(model)
    set_gradients(model)
    assert_gradient_is_that_of_value(penalty, model)


def test_a_parameter_without_gradient_gets_one_and_a_frozen_one_does_not() -> None:
    model = convnet().double()
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(model, random_omega(model))
    move(model)
    model[0].weight.requires_grad = False
    model[3].weight.grad = torch.ones_like(model[3].weight)
    assert_gradient_is_that_of_value(penalty, model)
    assert model[0].weight.grad is None
    assert model[4].weight.grad is not None


def test_a_sparse_gradient_becomes_dense_as_with_autograd() -> None:
    model = nn.Embedding(5, 3, sparse=True).double()
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(model, random_omega(model))
    move(model)
    model(torch.tensor([1, 1, 4])).sum().backward()
    assert model.weight.grad is not None
    assert model.weight.grad.is_sparse
    dense = model.weight.grad.to_dense()
    penalty.add_gradient(model)
    expected = dense + 2 * penalty.importance["weight"] * (model.weight - penalty.anchors["weight"])
    torch.testing.assert_close(model.weight.grad, expected.detach())


def test_no_graph_and_no_new_gradient_tensor() -> None:
    model = convnet()
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(model, random_omega(model))
    set_gradients(model)
    places = [p.grad.data_ptr() for p in model.parameters() if p.grad is not None]
    penalty.add_gradient(model)
    assert [p.grad.data_ptr() for p in model.parameters() if p.grad is not None] == places
    assert not any(p.grad.requires_grad for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_model_cast_after_consolidation(dtype: torch.dtype) -> None:
    model = convnet()
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(model, random_omega(model))
    move(model, 1.0)
    model.to(dtype)
    set_gradients(model)
    assert_gradient_is_that_of_value(penalty, model, rtol=2e-2 if dtype.itemsize == 2 else 1e-6)
    assert penalty.importance["0.weight"].dtype == torch.float32


def test_a_model_moved_after_consolidation() -> None:
    model = convnet()
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(model, random_omega(model))
    model.to("meta")  # any other device than the first will do
    set_gradients(model)
    penalty.add_gradient(model)
    assert penalty.value(model).device.type == "meta"
    assert penalty.anchors["0.weight"].device.type == "meta"


def test_skipped_names_take_no_part() -> None:
    model = convnet().double()
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(model, random_omega(model))
    move(model)
    penalty.add_gradient(model, skip={"3.weight"})
    assert model[3].weight.grad is None
    assert model[3].bias.grad is not None
    with_all, without = penalty.value(model), penalty.value(model, skip={"3.weight"})
    difference = (
        penalty.importance["3.weight"] * (model[3].weight - penalty.anchors["3.weight"]) ** 2
    )
    torch.testing.assert_close(with_all - without, difference.sum())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_value_of_a_narrow_model_is_taken_in_float32(dtype: torch.dtype) -> None:
    """The squares of these differences are beyond float16's last digit, and h beyond its range."""
    model, penalty = nn.Linear(3, 2).to(dtype), QuadraticPenalty(1e5)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    penalty.consolidate(model, {n: torch.ones(p.shape) for n, p in model.named_parameters()})
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1e-4)
    moved = float(model.bias.detach()[0])
    value = penalty.value(model)
    assert value.dtype is torch.float32
    assert value.item() == pytest.approx(8 * 1e5 * moved**2, rel=1e-6)
    value.backward()
    assert model.bias.grad[0].item() == pytest.approx(2e5 * moved, rel=2**-8)


def unimportant() -> tuple[nn.Module, QuadraticPenalty]:
    """Of the last layer's bias, Ω is zero everywhere; of the others, in some entries."""
    model, penalty = convnet().double(), QuadraticPenalty(1.0)
    omega = random_omega(model)
    omega["4.bias"].zero_()
    omega["3.weight"][0].zero_()
    penalty.consolidate(model, omega)
    move(model)
    return model, penalty


@pytest.mark.parametrize("rate", [None, 0.1])
def test_where_omega_is_zero_everywhere_nothing_is_touched(rate: float | None) -> None:
    model, penalty = unimportant()
    loaded = QuadraticPenalty(1.0)
    loaded.load_state_dict(penalty.state_dict())
    rates = None if rate is None else dict.fromkeys(penalty.importance, rate)
    for each in (penalty, loaded):
        model.zero_grad()
        each.add_gradient(model, optimizer=rates)
        assert model[4].bias.grad is None  # so that weight decay and momentum leave it, too
        assert model[3].weight.grad is not None
        model[4].bias.grad = before = torch.randn(2, dtype=torch.float64)
        values = before.clone()
        each.add_gradient(model, optimizer=rates)
        assert model[4].bias.grad is before
        assert torch.equal(before, values)


def test_a_parameter_that_becomes_important_is_held() -> None:
    model, penalty = unimportant()
    penalty.consolidate(model, random_omega(model))
    move(model)
    assert_gradient_is_that_of_value(penalty, model)
    assert model[4].bias.grad is not None


def test_what_is_unimportant_still_has_to_be_there_and_a_value_has_a_graph() -> None:
    model, penalty = nn.Linear(2, 2), QuadraticPenalty(1.0)
    penalty.consolidate(model, {"weight": torch.zeros(2, 2)})
    assert penalty.value(model).requires_grad
    model.weight = nn.Parameter(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="'weight' has shape"):
        penalty.add_gradient(model)
