"""The damped gradient: by hand, beside autograd in float64, and where its steps lead."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from avalanche_mas import devices
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.penalty import gradient as kernels_module
from tests.penalty.cases import (
    Scalar,
    autograd_gradients,
    convnet,
    gradients,
    grow,
    move,
    moved,
    random_omega,
    set_gradients,
    three_away,
)

Optimizers = Callable[[list[Tensor], float], torch.optim.Optimizer]


@pytest.fixture(params=["pieces", "together"], autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU handles many parameters at once too, as a GPU does."""
    if request.param == "together":
        monkeypatch.setattr(devices, "CACHED", frozenset())


def assert_damped(
    penalty: QuadraticPenalty, model: nn.Module, rates: dict[str, float], rtol: float = 1e-12
) -> None:
    """The gradient of `value` by autograd, divided by 1 + η 2 λ Ω."""
    expected = autograd_gradients(penalty, model)
    penalty.add_gradient(model, optimizer=rates)
    for name, gradient in gradients(model).items():
        damping = torch.ones_like(gradient)
        omega = penalty.importance[name].to(gradient.dtype)
        damping[tuple(map(slice, omega.shape))] += rates[name] * 2 * penalty.lambda_reg * omega
        torch.testing.assert_close(gradient, expected[name] / damping, rtol=rtol, atol=rtol)


def held(
    strength: float = 0.7, model: nn.Module | None = None
) -> tuple[nn.Module, QuadraticPenalty]:
    """A float64 model that has moved from θ*, with gradients."""
    torch.manual_seed(0)
    model, penalty = (model or convnet()).double(), QuadraticPenalty(strength)
    penalty.consolidate(model, random_omega(model))
    move(model)
    set_gradients(model)
    return model, penalty


def same_rate(model: nn.Module, rate: float = 0.3) -> dict[str, float]:
    return {name: rate for name, _ in model.named_parameters()}


def test_by_hand() -> None:
    model, penalty = three_away()

    penalty.add_gradient(model, optimizer=torch.optim.SGD(model.parameters(), lr=0.2))

    assert model.theta.grad.item() == pytest.approx((7 + 20 * 3) / (1 + 0.2 * 20))


def test_it_is_the_proximal_step_on_the_penalty() -> None:
    """argmin over θ of λ Ω (θ − θ*)² + (θ − v)² / (2 η), with v the plain step on the loss."""
    model, penalty = three_away()
    v = 4.0 - 0.2 * 7.0

    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    penalty.add_gradient(model, optimizer=optimizer)
    optimizer.step()

    grid = torch.linspace(-2, 6, 800_001, dtype=torch.float64)
    objective = 5 * 2 * (grid - 1).square() + (grid - v).square() / (2 * 0.2)
    assert model.theta.item() == pytest.approx(grid[objective.argmin()].item(), abs=2e-5)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(0, 5), min_size=0, max_size=4),
    piece=st.integers(1, 40),
    strength=st.floats(0, 1e6),
    rate=st.floats(0, 10),
)
def test_any_shape_piece_strength_and_rate(
    shape: list[int], piece: int, strength: float, rate: float
) -> None:
    module, penalty = moved(shape, strength)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels_module, "PIECE", piece)
        patch.setattr(kernels_module, "GROUP", piece)
        assert_damped(penalty, module, {"p": rate})


def test_every_group_has_its_own_rate_as_it_is_now() -> None:
    model, penalty = held()
    first, *others = model.parameters()
    optimizer = torch.optim.SGD([{"params": [first], "lr": 0.5}, {"params": others}], lr=0.1)
    for rate in (0.1, 0.02, torch.tensor(0.3), torch.tensor(0.03, dtype=torch.float64)):
        optimizer.param_groups[1]["lr"] = rate
        twin = copy.deepcopy(model)
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            q.grad = p.grad.clone()
        rates = dict.fromkeys(same_rate(twin), float(rate)) | {"0.weight": 0.5}
        penalty.add_gradient(model, optimizer=optimizer)
        assert_damped(penalty, twin, rates, rtol=1e-7)  # float32 tensors are rates, too
        for name, gradient in gradients(model).items():
            torch.testing.assert_close(gradient, gradients(twin)[name])


def test_a_parameter_that_no_group_holds_is_named_and_nothing_is_changed() -> None:
    model, penalty = held()
    optimizer = torch.optim.SGD([p for n, p in model.named_parameters() if n != "4.bias"], lr=0.1)
    before = gradients(model)
    with pytest.raises(
        ValueError, match=r"SGD optimizer has a learning rate for parameter '4.bias'"
    ):
        penalty.add_gradient(model, optimizer=optimizer)
    with pytest.raises(ValueError, match=r"no learning rate is given for parameter '3.weight'"):
        penalty.add_gradient(
            model, optimizer={"0.weight": 0.1, "0.bias": 0.1, "1.weight": 0.1, "1.bias": 1}
        )
    for name, gradient in gradients(model).items():
        assert torch.equal(gradient, before[name])
    penalty.add_gradient(model, skip={"4.bias"}, optimizer=optimizer)
    assert torch.equal(model[4].bias.grad, before["4.bias"])
    model[4].bias.requires_grad_(False)
    penalty.add_gradient(model, optimizer=optimizer)


def test_without_strength_nothing_is_touched() -> None:
    model, penalty = held(strength=0.0)
    model[0].weight.grad = None
    before = gradients(model)
    penalty.add_gradient(model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    assert gradients(model).keys() == before.keys()
    assert all(torch.equal(gradient, before[name]) for name, gradient in gradients(model).items())


def test_only_the_block_that_was_there_is_damped_in_a_layer_that_grows() -> None:
    model, penalty = held(model=nn.Sequential(nn.Linear(3, 2)))
    model[0] = grow(model[0], 4, 5)
    move(model)
    set_gradients(model)
    before = gradients(model)
    assert_damped(penalty, model, same_rate(model))
    assert torch.equal(model[0].weight.grad[2:], before["0.weight"][2:])
    assert torch.equal(model[0].weight.grad[:, 3:], before["0.weight"][:, 3:])


def test_another_default_device_changes_nothing() -> None:
    model, penalty = held()
    with torch.device("meta"):
        assert_damped(penalty, model, same_rate(model))


def test_strides_of_any_kind() -> None:
    model = convnet().double().to(memory_format=torch.channels_last)
    model.transposed = nn.Parameter(torch.randn(6, 9, dtype=torch.float64).t())
    model.strided = nn.Parameter(torch.randn(8, 8, dtype=torch.float64)[::2, 1::2])
    model, penalty = held(model=model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels_module, "PIECE", 11)
        assert_damped(penalty, model, same_rate(model))


def test_a_sparse_gradient_becomes_dense() -> None:
    model, penalty = held(model=nn.Embedding(5, 3, sparse=True))
    model.weight.grad = None
    model(torch.tensor([1, 1, 4])).sum().backward()
    dense = copy.deepcopy(model)
    dense.weight.grad = model.weight.grad.to_dense()
    penalty.add_gradient(model, optimizer={"weight": 0.3})
    assert_damped(penalty, dense, {"weight": 0.3})
    assert torch.equal(model.weight.grad, dense.weight.grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype: torch.dtype) -> None:
    model, penalty = Scalar(1.0), QuadraticPenalty(1e9)
    penalty.consolidate(model, {"theta": torch.tensor([2.0])})
    model.to(dtype)
    model.theta.data.fill_(4.0)
    model.theta.grad = torch.tensor([7.0], dtype=dtype)
    penalty.add_gradient(model, optimizer={"theta": 0.5})
    assert model.theta.grad.dtype == dtype
    assert model.theta.grad.item() == pytest.approx((4 - 1) / 0.5, rel=1e-2)


def minimum(curvature: Tensor, centre: Tensor, h: Tensor, anchor: Tensor) -> Tensor:
    """Where the gradient of ½ (θ − a)ᵀ C (θ − a) + ½ Σ h (θ − θ*)² is zero."""
    return torch.linalg.solve(curvature + torch.diag(h), curvature @ centre + h * anchor)


class Quadratic:
    """½ (θ − a)ᵀ C (θ − a) with the eigenvalues of C in [0.1, 1], and a penalty λ Σ Ω (θ − θ*)²."""

    def __init__(self, seed: int, strength: float, spread: float = 3.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        double = {"generator": generator, "dtype": torch.float64}
        rotation = torch.linalg.qr(torch.randn(4, 4, **double)).Q
        self.curvature = rotation @ torch.diag(0.1 + 0.9 * torch.rand(4, **double)) @ rotation.T
        self.centre = torch.randn(4, **double)
        omega = 10 ** (spread * torch.randn(4, **double))
        self.model, self.penalty = nn.Module(), QuadraticPenalty(strength)
        self.model.theta = nn.Parameter(torch.randn(4, **double))
        self.penalty.consolidate(self.model, {"theta": omega})
        self.minimum = minimum(
            self.curvature, self.centre, 2 * strength * omega, self.model.theta.detach()
        )

    def distance(self) -> float:
        return (self.model.theta.detach() - self.minimum).norm().item()

    def train(self, optimizer: torch.optim.Optimizer, steps: int) -> float:
        """Take damped steps; return the largest distance from the minimum on the way."""
        largest = 0.0
        for _ in range(steps):
            self.model.theta.grad = self.curvature @ (self.model.theta.detach() - self.centre)
            self.penalty.add_gradient(self.model, optimizer=optimizer)
            optimizer.step()
            largest = max(largest, self.distance())
        return largest


@pytest.mark.parametrize("strength", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_it_converges_to_the_minimum_of_the_plain_objective(
    strength: float, momentum: float
) -> None:
    problem = Quadratic(3, strength, spread=1.0)
    rate, steps = 1.0, 600
    problem.train(torch.optim.SGD(problem.model.parameters(), lr=rate, momentum=momentum), steps)
    assert problem.distance() < 1e-10


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    exponent=st.floats(-6, 12),
    rate=st.floats(1e-3, 1.0),
    momentum=st.sampled_from([0.0, 0.5, 0.9, 0.99]),
    nesterov=st.booleans(),
)
def test_no_divergence_at_any_strength(
    seed: int, exponent: float, rate: float, momentum: float, nesterov: bool
) -> None:
    """Heavy ball and Nesterov may overshoot by a factor that depends on the momentum alone."""
    problem = Quadratic(seed, 10**exponent)
    start = problem.distance()
    optimizer = torch.optim.SGD(
        problem.model.parameters(), rate, momentum=momentum, nesterov=nesterov and momentum > 0
    )
    assert problem.train(optimizer, 150) <= 50 * start + 1e-9


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000), exponent=st.floats(-6, 12), kind=st.sampled_from(["Adam", "AdamW"])
)
def test_adaptive_optimizers_do_not_diverge_either(seed: int, exponent: float, kind: str) -> None:
    """Their steps are no longer than a few learning rates, whatever the gradient."""
    problem = Quadratic(seed, 10**exponent)
    start = problem.distance()
    optimizer = getattr(torch.optim, kind)(problem.model.parameters(), lr=1e-2)
    assert problem.train(optimizer, 150) <= 2 * start + 1


def test_plain_steps_do_diverge_where_damped_ones_do_not() -> None:
    problem = Quadratic(0, 10.0)
    optimizer = torch.optim.SGD(problem.model.parameters(), lr=0.1)
    for _ in range(300):
        problem.model.theta.grad = problem.curvature @ (
            problem.model.theta.detach() - problem.centre
        )
        problem.penalty.add_gradient(problem.model)
        optimizer.step()
    assert not problem.distance() < 1e6


@settings(max_examples=40, deadline=None)
@given(share=st.floats(1e-9, 1e-2), gradient=st.floats(-10, 10), away=st.floats(-10, 10))
def test_to_first_order_it_is_the_plain_gradient(
    share: float, gradient: float, away: float
) -> None:
    """With η h = share, the two differ by no more than that share of the plain gradient."""
    rate = 0.1
    model, penalty = Scalar(1.0).double(), QuadraticPenalty(share / rate / 2)
    penalty.consolidate(model, {"theta": torch.ones(1, dtype=torch.float64)})
    model.theta.data += away
    both = []
    for optimizer in (None, {"theta": rate}):
        model.theta.grad = torch.tensor([gradient], dtype=torch.float64)
        penalty.add_gradient(model, optimizer=optimizer)
        both.append(model.theta.grad.item())
    plain, damped = both
    assert abs(plain - damped) <= (share + 1e-14) * abs(plain) + 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_parameters_stay_where_they_are_as_the_strength_grows(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model, penalty = convnet().to(dtype), QuadraticPenalty(1e25)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.rand_like(p) + 0.5)
    penalty.consolidate(model, {n: torch.rand_like(p) + 0.5 for n, p in model.named_parameters()})
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        set_gradients(model)
        penalty.add_gradient(model, optimizer=optimizer)
        optimizer.step()
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name])
