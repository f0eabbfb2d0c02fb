"""Ω over three tasks, refined and interrupted, against all Ω_n measured by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas import LocalMASPlugin, MASPlugin
from tests.plugins.cases import (
    CLASSES,
    Benchmark,
    Growing,
    assert_close,
    class_incremental,
    domain_incremental,
    inputs_of,
    single_head,
    slow_omega,
    strategy_for,
    unlabelled,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = [
    pytest.mark.filterwarnings("ignore:No loggers specified"),
    pytest.mark.usefixtures("double"),
]

ALPHA = 0.3

TRUTH: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "sum": lambda a, b, c: a + b + c,
    "blend": lambda a, b, c: ALPHA * (ALPHA * a + (1 - ALPHA) * b) + (1 - ALPHA) * c,
    "mean": lambda a, b, c: (a + b + c) / 3,
    "max": lambda a, b, c: torch.stack([a, b, c]).amax(0),
    "replace": lambda _, __, c: c,
}


def plugin_for(accumulation: str) -> MASPlugin:
    return MASPlugin(0.01, ALPHA if accumulation == "blend" else None, accumulation=accumulation)


def grown(omega: Tensor, shape: torch.Size) -> Tensor:
    """With zeros for the rows that came later."""
    return torch.cat([omega, omega.new_zeros(shape[0] - len(omega), *shape[1:])])


@pytest.mark.parametrize("interrupted", [False, True])
@pytest.mark.parametrize(
    ("new_benchmark", "new_model"),
    [(domain_incremental, single_head), (class_incremental, Growing)],
    ids=["shared head", "growing head"],
)
@pytest.mark.parametrize("accumulation", list(TRUTH))
def test_three_tasks(
    accumulation: str,
    new_benchmark: Callable[[], Benchmark],
    new_model: Callable[[], nn.Module],
    interrupted: bool,
) -> None:
    torch.manual_seed(0)
    benchmark, model, plugin = new_benchmark(), new_model(), plugin_for(accumulation)
    omegas = []
    for k, experience in enumerate(benchmark.train_stream):
        strategy = strategy_for(model, plugin)
        strategy.train(experience)
        plugin.update_importance(strategy, [unlabelled(k)])  # is part of the same Ω_n
        omegas.append(slow_omega(model, torch.cat([inputs_of(experience), unlabelled(k)])))
        if interrupted:
            state, plugin = copy.deepcopy(plugin.state_dict()), plugin_for(accumulation)
            plugin.load_state_dict(state)
    shapes = {name: p.shape for name, p in model.named_parameters()}
    expected = {
        name: TRUTH[accumulation](*(grown(omega[name], shapes[name]) for omega in omegas))
        for name in shapes
    }
    assert_close(plugin.importance, expected, rtol=1e-9)
    assert_close(plugin.anchors, dict(model.named_parameters()), rtol=0)
    if new_model is Growing:
        assert plugin.importance["head.classifier.weight"].shape == (3 * CLASSES, 8)


@pytest.mark.parametrize("kind", [MASPlugin, LocalMASPlugin])
def test_what_does_not_go_together_is_refused_at_once(kind: type[MASPlugin]) -> None:
    for options, message in [
        ({"accumulation": "average"}, "one of 'sum', 'blend', .*, got 'average'"),
        ({"accumulation": "max", "alpha": 0.5}, "alpha=0.5 has no effect .*'max'"),
        ({"accumulation": "blend"}, "'blend' needs alpha"),
        ({"alpha": -0.5}, "got -0.5"),
    ]:
        with pytest.raises(ValueError, match=message):
            kind(**options)


def test_the_defaults() -> None:
    assert MASPlugin().accumulation == "sum"
    assert MASPlugin(1.0, 0.5).accumulation == "blend"


def test_a_state_of_another_accumulation_is_refused() -> None:
    plugin = plugin_for("mean")
    strategy_for(single_head(), plugin).train(domain_incremental(1).train_stream)
    with pytest.raises(ValueError, match="accumulated with 'mean'"):
        plugin_for("sum").load_state_dict(plugin.state_dict())
