"""Ω against the loop of batch size one, on published architectures and awkward networks."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from avalanche_mas.importance import global_importance
from tests.importance.cases import AWKWARD, PUBLISHED, Case
from tests.reference import slow_global_importance

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def relative_error(found: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> float:
    """The largest deviation in any parameter, over the largest entry of that parameter's Ω."""
    assert set(found) == set(truth)
    worst = 0.0
    for name, exact in truth.items():
        scale = exact.abs().max().item()
        deviation = (found[name] - exact).abs().max().item()
        worst = max(worst, deviation / scale if scale else deviation)
    return worst


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("case", PUBLISHED + AWKWARD, ids=lambda case: case.id)
def test_equals_the_loop_of_batch_size_one(case: Case, dtype: torch.dtype) -> None:
    model, x = case.make(dtype)
    truth = slow_global_importance(model, [x])
    found = global_importance(model, [x[:-1], x[-1:]])
    assert found.samples == len(x)
    assert sum(value.abs().sum().item() for value in truth.values()) > 0
    assert relative_error(found, truth) <= TOLERANCE[dtype]


@pytest.mark.parametrize("case", AWKWARD, ids=lambda case: case.id)
def test_equals_the_loop_with_little_memory(case: Case) -> None:
    model, x = case.make(torch.float64)
    found = global_importance(model, [x], max_bytes=100)
    assert relative_error(found, slow_global_importance(model, [x])) <= 1e-10


def test_equals_finite_differences() -> None:
    """A second truth, without autograd: central differences of each sample's squared norm."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv1d(2, 3, 2), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(9, 2)
    ).double()
    x = torch.randn(3, 2, 4, dtype=torch.float64)
    found = global_importance(model, [x])
    step = 1e-6
    for name, parameter in model.named_parameters():
        flat = parameter.data.view(-1)
        for i in range(len(flat)):
            kept = flat[i].item()
            norms = []
            for value in (kept + step, kept - step):
                flat[i] = value
                with torch.no_grad():
                    norms.append(model(x).square().sum(1))
            flat[i] = kept
            expected = ((norms[0] - norms[1]) / (2 * step)).abs().mean()
            assert found[name].view(-1)[i].item() == pytest.approx(expected.item(), abs=1e-6)


def test_worked_out_by_hand() -> None:
    """F(x) = w x with w = (3, -1): ∂‖F‖²/∂w_i = 2 w_i x², so Ω_i = 2 |w_i| mean(x²)."""
    model = torch.nn.Linear(1, 2, bias=False)
    model.weight.data = torch.tensor([[3.0], [-1.0]])
    omega = global_importance(model, [torch.tensor([[1.0], [-2.0], [3.0]])])
    torch.testing.assert_close(omega["weight"], torch.tensor([[28.0], [28.0 / 3]]))
