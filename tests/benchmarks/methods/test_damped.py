"""Damped penalties of the comparison: beside their explicit twins, and at absurd strengths."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor, nn

from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import COMPARED, METHODS
from tests.benchmarks.methods.learning import learn, network, strategy_of

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

QUADRATIC = [name for name in COMPARED if METHODS[name].penalties]
RATE = 0.05


class Watch(SupervisedPlugin):
    """Keeps θ and the gradient before and after the method has added to it, at the last step."""

    def after_backward(self, strategy: Any, **_: Any) -> None:
        self.model = copy.deepcopy(strategy.model)
        self.plain = _gradients(strategy.model)

    def after_update(self, strategy: Any, **_: Any) -> None:
        self.damped = _gradients(strategy.model)


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def explicit_gradient(plugin: Any, model: nn.Module) -> dict[str, Tensor]:
    """The penalty's gradient as the plugin's explicit form adds it to the loss or the gradients."""
    model.zero_grad()
    strategy = SimpleNamespace(model=model, loss=torch.zeros(()), experience=None)
    plugin.before_backward(strategy)
    if strategy.loss.requires_grad:
        strategy.loss.backward()
    if hasattr(plugin, "ewc_data"):  # Synaptic Intelligence adds a gradient
        plugin.after_backward(strategy)
    return _gradients(model)


def test_the_methods_with_a_quadratic_penalty() -> None:
    assert set(QUADRATIC) == {"mas", "l-mas", "ewc-repaired", "si-repaired", "imm-mean", "imm-mode"}


@pytest.mark.parametrize("method", [m for m in QUADRATIC if "mas" not in m])
def test_the_damped_gradient_is_the_explicit_one_over_one_plus_the_curvature(
    method: str, three_tasks: TaskBenchmark
) -> None:
    torch.manual_seed(0)
    (plugin,), watch = METHODS[method].plugins(30.0, penalty="damped"), Watch()
    strategy = strategy_of(plugin, network())
    strategy.plugins.append(watch)
    for group in strategy.optimizer.param_groups:
        group["lr"] = RATE
    learn(strategy, *three_tasks.train_stream[:2])
    kept: list[Any] = []
    strategy.plugins.append(Keep(plugin, kept))
    learn(strategy, three_tasks.train_stream[2])

    twin, model = kept[-1], watch.model
    twin.damped = False
    pull = explicit_gradient(twin, model)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    curvature = {name: g - pull[name] for name, g in explicit_gradient(twin, model).items()}
    held = [name for name in pull if curvature[name].abs().sum() > 0]
    assert held
    for name in held:
        plain = watch.plain.get(name, torch.zeros_like(pull[name]))
        expected = (plain + pull[name]) / (1 + RATE * curvature[name])
        torch.testing.assert_close(watch.damped[name], expected, rtol=2e-3, atol=1e-4)
    assert max(RATE * curvature[name].max() for name in held) > 0.1  # or damping would show nothing


class Keep(SupervisedPlugin):
    """Keeps a copy of a plugin as it is at each step."""

    def __init__(self, plugin: Any, kept: list[Any]) -> None:
        super().__init__()
        self.plugin, self.kept = plugin, kept

    def after_backward(self, *_: Any, **__: Any) -> None:
        self.kept.append(copy.deepcopy(self.plugin))


@pytest.mark.parametrize("method", QUADRATIC)
def test_absurd_strengths_hold_what_was_learned(method: str, three_tasks: TaskBenchmark) -> None:
    torch.manual_seed(0)
    (plugin,) = METHODS[method].plugins(1e12, penalty="damped")
    strategy = strategy_of(plugin, network())
    learn(strategy, three_tasks.train_stream[0])
    before = {name: p.detach().clone() for name, p in strategy.model.named_parameters()}
    learn(strategy, *three_tasks.train_stream[1:])
    after = dict(strategy.model.named_parameters())
    assert all(bool(p.isfinite().all()) for p in after.values())
    body = [name for name in before if name.startswith("body") and name.endswith("weight")]
    assert body
    moved = [(after[name] - before[name]).norm() / before[name].norm() for name in body]
    assert min(moved) < 1e-3
