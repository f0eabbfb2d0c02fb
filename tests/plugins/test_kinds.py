"""What importance is: the local form, the vector form, and the absolute value after the batch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas import LocalMASPlugin, MASPlugin
from avalanche_mas.plugins.base import ImportancePlugin
from tests.plugins.cases import (
    CLASSES,
    FEATURES,
    Benchmark,
    assert_close,
    assert_equal,
    assert_same,
    domain_incremental,
    inputs_of,
    single_head,
    strategy_for,
    train_all,
    unlabelled,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")

Omega = dict[str, Tensor]

KINDS: dict[str, Callable[..., ImportancePlugin]] = {
    "l2": MASPlugin,
    "vector": lambda *a, **k: MASPlugin(*a, output="vector", **k),
    "l2, batch": lambda *a, **k: MASPlugin(*a, granularity="batch", **k),
    "vector, batch": lambda *a, **k: MASPlugin(*a, output="vector", granularity="batch", **k),
    "local": LocalMASPlugin,
}


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES, 7), nn.ReLU(), nn.Linear(7, CLASSES))


def hebbian(model: nn.Module, batches: list[Tensor]) -> Omega:
    """(2/N) Σ_k y_i y_j, and (2/N) Σ_k y_i for a bias; |y_i| where no ReLU follows."""
    x = torch.cat(batches)
    hidden = model[:2](x)
    output = model(x).abs()
    return {
        "0.weight": 2 * hidden.T @ x.abs() / len(x),
        "0.bias": 2 * hidden.mean(0),
        "2.weight": 2 * output.T @ hidden / len(x),
        "2.bias": 2 * output.mean(0),
    }


def gradients(model: nn.Module, value: Tensor) -> Omega:
    found = torch.autograd.grad(value, list(model.parameters()), retain_graph=True)
    return {name: g for (name, _), g in zip(model.named_parameters(), found, strict=True)}


def norm(model: nn.Module, value: Tensor) -> Omega:
    """|∂‖F‖²/∂θ|."""
    return {name: g.abs() for name, g in gradients(model, value.square().sum()).items()}


def vector(model: nn.Module, value: Tensor) -> Omega:
    """‖∂F/∂θ‖ over the outputs, the samples of the batch summed."""
    each = [gradients(model, unit) for unit in value.sum(0)]
    return {name: torch.stack([g[name] for g in each]).norm(dim=0) for name in each[0]}


def over(batches: list[Tensor], one: Callable[[nn.Module, Tensor], Omega], model: Any) -> Omega:
    """The mean over N samples of what `one` gives for each batch."""
    found = [one(model, model(batch)) for batch in batches]
    count = sum(map(len, batches))
    return {name: sum(omega[name] for omega in found) / count for name in found[0]}


TRUTH: dict[str, Callable[[nn.Module, list[Tensor]], Omega]] = {
    "l2": lambda model, batches: over(list(torch.cat(batches).split(1)), norm, model),
    "vector": lambda model, batches: over(list(torch.cat(batches).split(1)), vector, model),
    "l2, batch": lambda model, batches: over(batches, norm, model),
    "vector, batch": lambda model, batches: over(batches, vector, model),
    "local": hebbian,
}


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("kind", list(KINDS))
def test_measured_and_refined(kind: str) -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = domain_incremental(2), perceptron(), KINDS[kind](0.1, batch_size=6)
    strategy = strategy_for(model, plugin)
    strategy.train(benchmark.train_stream)
    batches = [*inputs_of(benchmark.train_stream[1]).split(6), unlabelled(1)]
    plugin.update_importance(strategy, [unlabelled(1)])
    assert_close(plugin._memory.estimate, TRUTH[kind](model, batches), rtol=1e-9)
    assert str(plugin.measure) == str(plugin._memory.estimate.measure) == kind


@pytest.mark.parametrize("kind", list(KINDS))
def test_measuring_leaves_the_training_as_it_is(
    kind: str, scenario: tuple[Benchmark, nn.Module]
) -> None:
    assert_equal(train_all(scenario, KINDS[kind](0.0)), train_all(scenario))


def test_the_local_form_is_held_like_the_global_one(
    scenario: tuple[Benchmark, nn.Module],
) -> None:
    plugin = LocalMASPlugin(0.1)
    held = train_all(scenario, plugin)
    assert any(not torch.equal(tensor, held[n]) for n, tensor in train_all(scenario).items())
    global_form = MASPlugin(0.1)
    train_all(scenario, global_form)
    assert plugin.importance.keys() == global_form.importance.keys()


def test_a_network_without_clear_layers_is_refused_before_it_is_trained() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(FEATURES, 4, batch_first=True), nn.Linear(4, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.lstm(x[:, None])[0][:, 0])

    model = Recurrent()
    before = weights(model)
    with pytest.raises(ValueError, match="lstm"):
        strategy_for(model, LocalMASPlugin()).train(domain_incremental(1).train_stream)
    assert_equal(weights(model), before)


def test_unknown_forms_are_refused_at_once() -> None:
    for options, message in [
        ({"output": "l1"}, "output must be one of 'l2', 'vector', got 'l1'"),
        ({"granularity": "epoch"}, "granularity must be one of 'sample', 'batch', got 'epoch'"),
    ]:
        with pytest.raises(ValueError, match=message):
            MASPlugin(**options)


def test_a_state_of_another_kind_is_refused() -> None:
    plugin = LocalMASPlugin()
    strategy_for(single_head(), plugin).train(domain_incremental(1).train_stream)
    other = MASPlugin()
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ValueError, match="of kind 'local', and this plugin measures 'l2'"):
        other.load_state_dict(plugin.state_dict())
    assert_same(other.state_dict(), before)
