"""Models, importances and gradients for the penalty's tests, and the oracle of its gradient."""

from __future__ import annotations

import copy

import torch
from torch import nn

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


def three_away() -> tuple[Scalar, QuadraticPenalty]:
    """θ = 4 and θ* = 1 with Ω = 2, λ = 5 and the gradient 7."""
    model, penalty = Scalar(1.0), QuadraticPenalty(lambda_reg=5.0)
    penalty.consolidate(model, {"theta": torch.tensor([2.0])})
    model.theta.data.fill_(4.0)
    model.theta.grad = torch.tensor([7.0])
    return model, penalty


def moved(shape: list[int], strength: float) -> tuple[nn.Module, QuadraticPenalty]:
    """A module of one float64 parameter "p" that has moved from θ*, with a gradient."""
    module, penalty = nn.Module(), QuadraticPenalty(strength)
    module.p = nn.Parameter(torch.randn(shape, dtype=torch.float64))
    penalty.consolidate(module, random_omega(module))
    move(module)
    set_gradients(module)
    return module, penalty


def grow(old: nn.Linear, inputs: int, outputs: int) -> nn.Linear:
    """A larger layer with the old one in its leading block."""
    new = nn.Linear(inputs, outputs, dtype=torch.float64)
    with torch.no_grad():
        new.weight[: old.out_features, : old.in_features] = old.weight
        new.bias[: old.out_features] = old.bias
    return new
