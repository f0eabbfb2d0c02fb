"""Names of parameters do not depend on what a model is wrapped in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from avalanche_mas.importance import global_importance
from avalanche_mas.names import parameters_of, unwrapped
from avalanche_mas.penalty import QuadraticPenalty


def compiled(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend="eager")  # type: ignore[return-value]


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "data parallel": nn.DataParallel,
    "compiled": compiled,
    "compiled within": lambda model: nn.DataParallel(compiled(model)),
    "compiled without": lambda model: compiled(nn.DataParallel(model)),
}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 2)))


PLAIN = ["0.weight", "0.bias", "1.1.weight", "1.1.bias"]


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
def test_a_wrapped_model(wrap: Callable[[nn.Module], nn.Module]) -> None:
    model = network()
    wrapped = wrap(model)
    assert unwrapped(wrapped) is model
    assert parameters_of(wrapped) == dict(model.named_parameters())


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
def test_a_wrapped_part(wrap: Callable[[nn.Module], nn.Module]) -> None:
    model = network()
    model[1] = wrap(model[1])
    assert list(parameters_of(model)) == PLAIN
    assert list(parameters_of(wrap(model))) == PLAIN
    assert unwrapped(model) is model


def test_parts_that_are_called_module_keep_their_name() -> None:
    model = nn.Module()
    model.module = nn.Linear(2, 2)
    model.modules_too = nn.ModuleDict({"module": nn.Linear(2, 2)})
    assert parameters_of(model) == dict(model.named_parameters())


def test_shared_parameters_have_one_name() -> None:
    layer = compiled(nn.Linear(2, 2))
    assert list(parameters_of(nn.Sequential(layer, layer))) == ["0.weight", "0.bias"]


@pytest.mark.parametrize("before", [None, *WRAPPERS])
@pytest.mark.parametrize("after", [None, *WRAPPERS])
def test_the_penalty_looks_through(before: str | None, after: str | None) -> None:
    def wrapped(model: nn.Module, how: str | None) -> nn.Module:
        return model if how is None else WRAPPERS[how](model)

    model, penalty = network(), QuadraticPenalty(0.5)
    omega = {name: torch.ones_like(p) for name, p in model.named_parameters()}
    penalty.consolidate(wrapped(model, before), omega)
    with torch.no_grad():
        model[0].weight.add_(2.0)
    assert penalty.value(wrapped(model, after)).item() == pytest.approx(0.5 * 12 * 4)
    penalty.add_gradient(wrapped(model, after))
    torch.testing.assert_close(model[0].weight.grad, torch.full((4, 3), 2.0))


def test_importance_has_plain_names() -> None:
    x = torch.randn(5, 3)
    expected, model = global_importance(network(), [x]), network()
    model[1] = nn.DataParallel(model[1])
    for wrapped in (model, nn.DataParallel(network())):
        omega = global_importance(wrapped, [x], parameters=PLAIN)
        assert list(omega) == PLAIN
        for name in PLAIN:
            torch.testing.assert_close(omega[name], expected[name])


def test_the_general_path_has_plain_names() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * self.scale.exp()).tanh()

    x, models = torch.randn(5, 3), [Scaled(), nn.Sequential(nn.DataParallel(Scaled()))]
    expected, found = (global_importance(model, [x]) for model in models)
    torch.testing.assert_close(found["0.scale"], expected["scale"])
