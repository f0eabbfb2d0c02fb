"""Narrow floats and rounding in a pass over the data."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.importance import global_importance, local_importance
from tests.importance.cases import Recurrent
from tests.importance.convolutional import X, network
from tests.importance.test_exact import relative_error
from tests.reference import slow_global_importance


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_networks_are_measured_in_float32(dtype: torch.dtype) -> None:
    found = global_importance(network().to(dtype), [X.to(dtype)])
    assert {value.dtype for value in found.values()} == {torch.float32}
    truth = slow_global_importance(network(), [X])
    assert relative_error(found, {name: value.float() for name, value in truth.items()}) < 0.2


def test_under_autocast_the_norm_is_taken_in_float32() -> None:
    model, x = network().float(), X.float()
    with torch.autocast("cpu", torch.bfloat16):
        found = global_importance(model, [x])
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert relative_error(found, slow_global_importance(model, [x])) < 0.1


class Rounded(nn.Module):
    """A layer that rounds a single sample differently, like another kernel of a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x).float()
        return y * (1 + 2e-3) if len(x) == 1 else y


def test_rounding_under_autocast_is_not_taken_for_interaction() -> None:
    model, x = Rounded(), torch.randn(5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert global_importance(model, [x]).samples == 5
    with pytest.raises(ValueError, match="samples interact"):
        global_importance(model, [x])


@pytest.mark.parametrize("measure", [global_importance, local_importance])
def test_outputs_wider_than_the_parameters_have_no_more_digits(measure: Any) -> None:
    """As of models in bfloat16 whose logits are float32; here of float32, which rounds on every CPU."""

    class Widened(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).double()

    torch.manual_seed(0)
    model = Widened(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 256), nn.GELU())
    assert measure(model, [torch.randn(33, 64)]).samples == 33


ROUNDED_AWAY = {
    "bias before a normalisation": lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 8, 3),
        nn.InstanceNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(392, 5),
    ),
    "narrow floats": lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 2, 3), nn.GELU(), nn.Flatten(), nn.Linear(98, 5)
    ).bfloat16(),
}


@pytest.mark.parametrize("what", ROUNDED_AWAY)
@pytest.mark.parametrize("output", ["l2", "vector"])
def test_rounding_is_not_taken_for_a_parameter_that_cannot_be_exchanged(
    what: str, output: str
) -> None:
    torch.manual_seed(0)
    model = ROUNDED_AWAY[what]()
    x = X.to(next(model.parameters()).dtype)
    found = global_importance(model, [x], output=output)
    one_by_one = global_importance(model, x.split(1), output=output)
    assert relative_error({"w": found["0.weight"]}, {"w": one_by_one["0.weight"]}) < 0.02


def test_sums_of_many_narrow_floats_are_kept_in_wide_ones() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(Recurrent(), nn.Linear(3, 2)).bfloat16()
    words = torch.randint(11, (600, 2))
    found = global_importance(model, [words])
    truth = global_importance(model.float(), [words])
    ratio = found["0.lstm.weight_ih_l0"].sum() / truth["0.lstm.weight_ih_l0"].sum()
    assert 0.97 < ratio < 1.03


@pytest.mark.parametrize("cast", ["model", "autocast"])
@pytest.mark.parametrize(("shrunk", "faint"), [(1e-2, False), (1e-3, True), (1e-4, True)])
def test_gradients_that_float16_does_not_resolve_are_told_of(
    shrunk: float, faint: bool, cast: str
) -> None:
    """At 1e-4 they are zero, and nothing else would say so."""
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), torch.randn(12, 8)
    with torch.no_grad():
        for p in model[2].parameters():
            p.mul_(shrunk)
    truth = slow_global_importance(model, [x])
    if cast == "model":
        model, x = model.half(), x.half()
    told = pytest.warns(UserWarning, match=r"at '0.weight'.* 1 layers .*in bfloat16 or float32")
    with told if faint else nullcontext(), torch.autocast("cpu", torch.float16, cast == "autocast"):
        found = global_importance(model, [x])
    assert (relative_error(found, truth) > 0.02) == faint


def test_zero_gradients_in_float16_may_be_right() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)).half()
    nn.init.zeros_(model[1].weight)
    assert not global_importance(model, [torch.ones(2, 4).half()])["0.weight"].any()


def test_gradients_beyond_float16_are_refused_with_what_to_do() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)).half()
    with torch.no_grad():
        model[1].weight.fill_(300)
    with pytest.raises(ValueError, match=r"'0.weight' is not finite; .*bfloat16 or float32"):
        global_importance(model, [50 * torch.ones(2, 4).half()])
