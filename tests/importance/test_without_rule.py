"""Which parameters take the general path: those that no layer rule covers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.importance import without_rule


class Mixed(nn.Module):
    """A layer with a rule, a parameter used by hand, and a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4, 4))
        self.last = nn.GRU(4, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        scaled = torch.einsum("bi,ij->bj", self.first(x), self.scale)
        y: Tensor = self.last(scaled.unsqueeze(1))[0][:, 0]
        return y


def test_names_those_that_no_rule_covers_and_changes_nothing() -> None:
    torch.manual_seed(0)
    model, x = Mixed(), torch.randn(3, 4)
    assert without_rule(model, x) == [
        "scale",
        *(f"last.{n}" for n, _ in model.last.named_parameters()),
    ]
    assert without_rule(model, x, parameters=["last.bias_hh_l0", "scale", "first.weight"]) == [
        "last.bias_hh_l0",
        "scale",
    ]
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_local_form_is_asked_for_by_name() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert without_rule(model, torch.randn(3, 4), form="local") == []
    mixed = Mixed()
    chosen = ["first.weight", "scale"]
    with pytest.raises(ValueError, match="gru holds nonlinearities"):
        without_rule(mixed, torch.randn(3, 4), form="local")
    assert without_rule(mixed, torch.randn(3, 4), form="local", parameters=chosen) == ["scale"]
    with pytest.raises(ValueError, match="form"):
        without_rule(model, torch.randn(3, 4), form="both")  # type: ignore[arg-type]
