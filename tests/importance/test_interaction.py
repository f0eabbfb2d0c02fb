"""Samples that interact, and outputs that are random, are refused; rounding is not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.importance import (
    global_importance,
    local_importance,
)


def test_refuses_interaction_with_the_next_sample() -> None:
    class Shifted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.cat([x[1:], torch.zeros_like(x[:1])])

    with pytest.raises(ValueError, match="samples interact"):
        global_importance(nn.Sequential(nn.Linear(2, 2), Shifted()), [torch.eye(2)])


class Padded(nn.Module):
    """Three classes and two to come, as in Avalanche's heads that grow; something is done before these."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head, self.change = nn.Linear(5, 32), nn.Linear(32, 5), change

    def forward(self, x: Tensor) -> Tensor:
        y = self.change(self.head(self.body(x).relu()))
        return y.masked_fill(torch.arange(5) > 2, -1000)


def mixed(y: Tensor) -> Tensor:
    return y * (1 + 0.05 * torch.tanh(y.mean()))


def noisy(y: Tensor) -> Tensor:
    return y * (1 + 0.05 * torch.rand_like(y))


def rounded(y: Tensor) -> Tensor:
    return 20 * y * (1 + 1e-4) if len(y) == 1 else 20 * y


@pytest.mark.parametrize("measure", [global_importance, local_importance])
@pytest.mark.parametrize(
    ("change", "rows", "message"),
    [(mixed, 2, "samples interact"), (mixed, 64, "samples interact")]
    + [(noisy, rows, "running the network twice") for rows in (1, 2, 64)],
)
def test_padded_outputs_do_not_hide_what_is_refused(
    change: Any, rows: int, message: str, measure: Any
) -> None:
    """Ω would be wrong by per cents without a word."""
    with pytest.raises(ValueError, match=message):
        measure(Padded(change), [torch.randn(rows, 5)])


@pytest.mark.parametrize("x", [torch.randn(8, 5), torch.ones(8, 5)], ids=["varied", "alike"])
def test_rounding_beside_padded_outputs_is_not_refused(x: Tensor) -> None:
    assert global_importance(Padded(rounded), [x]).samples == 8


@pytest.mark.parametrize("weight", [0.0, 1e-6, 1e-4])
def test_outputs_that_are_nearly_constant_are_not_refused(weight: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 300), nn.GELU(), nn.Linear(300, 7))
    nn.init.normal_(model[2].weight, std=weight)
    nn.init.constant_(model[2].bias, 1000)
    assert global_importance(model, [torch.randn(33, 5)]).samples == 33


@pytest.mark.parametrize(("rows", "is_chance"), [(2, True), (3, True), (4, False)])
def test_narrow_floats_that_are_equal_by_chance_are_not_taken_for_padding(
    rows: int, is_chance: bool
) -> None:
    def forward(model: nn.Module, x: Tensor) -> Tensor:
        small = 0.0125 if len(x) == 1 else 0.01
        return model(x) * torch.tensor([1.0, small], dtype=torch.bfloat16)

    x = torch.zeros(rows, 2, dtype=torch.bfloat16)
    x[:, 1] = torch.arange(1, rows + 1)
    model = nn.Linear(2, 2).bfloat16()
    with torch.no_grad():
        model.weight.copy_(torch.eye(2))
        model.bias.copy_(torch.tensor([3.0, 0.0]))
    refused = pytest.raises(ValueError, match="samples interact")
    with nullcontext() if is_chance else refused:
        global_importance(model, [x], forward=forward)
