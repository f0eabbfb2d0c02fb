"""How a task is trained: the course of the learning rate, and clipping."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks.training import ClipGradient, one_cycle


@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_one_cycle_rises_to_its_peak_and_falls_to_nothing(steps: int) -> None:
    rates = [one_cycle(step, steps, 0.5) for step in range(steps)]
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] == pytest.approx(0.5 / 25)
    assert min(rates) > 0
    assert max(rates) <= 0.5
    if steps == 1000:
        assert top == 300
        assert max(rates) == 0.5
        assert rates[-1] < 1e-5


def test_one_cycle_is_what_torch_calls_it() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.5, total_steps=1001, cycle_momentum=False
    )
    for step in range(1000):
        expected = one_cycle(step, 1000, 0.5)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, abs=0.01)
        optimizer.step()
        schedule.step()


def with_gradients(*gradients: torch.Tensor | None) -> SimpleNamespace:
    model = nn.ParameterList()
    for gradient in gradients:
        parameter = nn.Parameter(torch.zeros(3) if gradient is None else torch.zeros_like(gradient))
        parameter.grad = None if gradient is None else gradient.clone()
        model.append(parameter)
    return SimpleNamespace(model=model)


def test_a_gradient_is_clipped_as_a_whole() -> None:
    first, second = torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])
    for norm, factor in ((10.0, 1.0), (5.0, 1.0), (1.0, 0.2)):
        strategy = with_gradients(first, None, second)
        ClipGradient(norm).before_update(strategy)
        torch.testing.assert_close(strategy.model[0].grad, factor * first)
        assert strategy.model[1].grad is None
        torch.testing.assert_close(strategy.model[2].grad, factor * second)


def test_gradients_of_zero_change_no_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    for count in range(1, 40):
        gradients = [torch.randn(7, generator=generator) for _ in range(count)]
        alone = with_gradients(*gradients)
        among = with_gradients(*(g for gradient in gradients for g in (gradient, gradient)))
        for place in range(1, 2 * count, 2):
            among.model[place].grad.zero_()
        for strategy in (alone, among):
            ClipGradient(math.sqrt(count)).before_update(strategy)
        for place in range(count):
            assert torch.equal(alone.model[place].grad, among.model[2 * place].grad)
