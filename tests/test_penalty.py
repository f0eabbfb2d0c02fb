"""The quadratic penalty: by hand, against autograd in float64, growth, accumulation, bad input."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from avalanche_mas import penalty as penalty_module
from avalanche_mas.penalty import QuadraticPenalty


def random_omega(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.rand_like(p) for name, p in model.named_parameters()}


def move(model: nn.Module, step: float = 0.1) -> None:
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p), alpha=step)


def set_gradients(model: nn.Module) -> None:
    for p in model.parameters():
        p.grad = torch.randn_like(p)


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def autograd_gradients(penalty: QuadraticPenalty, model: nn.Module) -> dict[str, torch.Tensor]:
    """The oracle: value() differentiated, accumulated to the gradients that are there."""
    twin = copy.deepcopy(model)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        q.grad = None if p.grad is None else p.grad.clone()
    penalty.value(twin).backward()
    return gradients(twin)


def assert_gradient_is_that_of_value(
    penalty: QuadraticPenalty, model: nn.Module, rtol: float = 1e-12
) -> None:
    expected = autograd_gradients(penalty, model)
    penalty.add_gradient(model)
    actual = gradients(model)
    assert actual.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], rtol=rtol, atol=rtol)


def convnet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 5), nn.Linear(5, 2)
    )


class Scalar(nn.Module):
    """One parameter of one entry."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([theta]))


def test_by_hand() -> None:
    model = Scalar(1.0)
    penalty = QuadraticPenalty(lambda_reg=5.0)
    penalty.consolidate(model, {"theta": torch.tensor([2.0])})
    model.theta.data.fill_(4.0)
    model.theta.grad = torch.tensor([7.0])

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
    module = nn.Module()
    module.p = nn.Parameter(torch.randn(shape, dtype=torch.float64))
    penalty = QuadraticPenalty(strength)
    penalty.consolidate(module, random_omega(module))
    move(module)
    set_gradients(module)
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


# Across tasks


def test_importances_are_summed_and_anchors_replaced() -> None:
    model = Scalar(1.0)
    penalty = QuadraticPenalty()
    penalty.consolidate(model, {"theta": torch.tensor([2.0])})
    model.theta.data.fill_(3.0)
    penalty.consolidate(model, {"theta": torch.tensor([5.0])})
    assert penalty.importance["theta"].item() == 7
    assert penalty.anchors["theta"].item() == 3


def test_running_blend() -> None:
    model = Scalar(1.0)
    penalty = QuadraticPenalty(alpha=0.25)
    penalty.consolidate(model, {"theta": torch.tensor([2.0])})
    assert penalty.importance["theta"].item() == 2  # the first is taken as it is
    penalty.consolidate(model, {"theta": torch.tensor([6.0])})
    assert penalty.importance["theta"].item() == 0.25 * 2 + 0.75 * 6


@pytest.mark.parametrize("alpha", [None, 0.5])
def test_names_missing_from_omega_keep_their_importance(alpha: float | None) -> None:
    model = nn.Linear(2, 2)
    penalty = QuadraticPenalty(alpha=alpha)
    first = random_omega(model)
    penalty.consolidate(model, first)
    move(model)
    penalty.consolidate(model, {"bias": torch.ones(2)})
    assert torch.equal(penalty.importance["weight"], first["weight"])
    assert torch.equal(penalty.anchors["weight"], model.weight)


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


# Growth


def grow(old: nn.Linear, inputs: int, outputs: int) -> nn.Linear:
    new = nn.Linear(inputs, outputs, dtype=torch.float64)
    with torch.no_grad():
        new.weight[: old.out_features, : old.in_features] = old.weight
        new.bias[: old.out_features] = old.bias
    return new


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


@pytest.mark.parametrize("alpha", [None, 0.5])
def test_consolidation_after_growth(alpha: float | None) -> None:
    model = nn.Sequential(nn.Linear(3, 2, dtype=torch.float64))
    penalty = QuadraticPenalty(alpha=alpha)
    first = random_omega(model)
    penalty.consolidate(model, first)
    model[0] = grow(model[0], 3, 4)
    second = random_omega(model)
    penalty.consolidate(model, second)
    old, new = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    padded = torch.zeros(4, 3, dtype=torch.float64)
    padded[:2] = first["0.weight"]
    torch.testing.assert_close(
        penalty.importance["0.weight"], old * padded + new * second["0.weight"]
    )
    assert torch.equal(penalty.anchors["0.weight"], model[0].weight)


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


# Bad input


@pytest.mark.parametrize("strength", [-1.0, math.nan, math.inf])
def test_bad_strength(strength: float) -> None:
    with pytest.raises(ValueError, match=f"lambda_reg .* got {strength}"):
        QuadraticPenalty(strength)


@pytest.mark.parametrize("alpha", [-0.1, 1.5, math.nan])
def test_bad_alpha(alpha: float) -> None:
    with pytest.raises(ValueError, match=f"alpha .* got {alpha}"):
        QuadraticPenalty(alpha=alpha)


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


def assert_same_state(penalty: QuadraticPenalty, state: dict[str, dict[str, torch.Tensor]]) -> None:
    actual = penalty.state_dict()
    assert actual.keys() == state.keys()
    for entry in state:
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
    assert_same_state(other, penalty.state_dict())


def test_bad_state_is_refused_and_the_old_one_stays() -> None:
    model = nn.Linear(2, 2)
    penalty = QuadraticPenalty()
    penalty.consolidate(model, random_omega(model))
    good = copy.deepcopy(penalty.state_dict())
    ones = torch.ones(2)
    for bad, message in [
        ({}, "expected the entries"),
        ({"importance": {}, "anchors": {}, "more": 1}, "'more'"),
        ({"importance": {"bias": ones}, "anchors": {}}, r"only one .* \['bias'\]"),
        ({"importance": {"bias": ones}, "anchors": {"bias": torch.ones(3)}}, r"'bias' has shape"),
        ({"importance": {"bias": ones * math.nan}, "anchors": {"bias": ones}}, "of 'bias' has 2"),
        ({"importance": {"bias": ones}, "anchors": {"bias": ones * math.inf}}, "of 'bias' has 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            penalty.load_state_dict(bad)
    assert_same_state(penalty, good)
