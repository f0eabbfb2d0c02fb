"""Strategies on the tiny stream, and plugins that watch them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avalanche.core import SupervisedPlugin
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin

from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import METHODS
from benchmarks.run.job import Job
from benchmarks.run.training.networks import network_for
from benchmarks.run.training.strategy import make_strategy, seed_everything


def strategy_of(
    job: Job,
    stream: TaskBenchmark,
    *observers: SupervisedPlugin,
    method_plugins: list[SupervisedPlugin] | None = None,
    model: Any = None,
) -> Any:
    settings = job.settings
    seed_everything(settings.seed)
    method = METHODS[settings.method]
    if method_plugins is None:
        method_plugins = method.plugins(settings.strength, penalty=settings.penalty)
    return make_strategy(
        settings,
        model or network_for(settings.model, stream),
        method.strategy(),
        method_plugins=method_plugins,
        observers=observers,
        evaluator=EvaluationPlugin(loggers=[BaseLogger()]),
    )


def train(strategy: Any, stream: TaskBenchmark) -> Any:
    """Train as the runner does and return the strategy."""
    for task, experience in enumerate(stream.train_stream):
        seed_everything(0, task)
        strategy.train(experience, eval_streams=[], reset_optimizer_state=True)
    return strategy


class Look(SupervisedPlugin):
    """A plugin that calls functions of the strategy, `Look(before_update=...)`, and keeps the results."""

    def __init__(self, **calls: Callable[[Any], Any]) -> None:
        super().__init__()
        self.seen: dict[str, list[Any]] = {name: [] for name in calls}
        for name, call in calls.items():
            setattr(self, name, self._keeping(name, call))

    def _keeping(self, name: str, call: Callable[[Any], Any]) -> Callable[..., None]:
        return lambda strategy, **_: self.seen[name].append(call(strategy))


def values(strategy: Any) -> dict[str, Any]:
    return {name: p.detach().clone() for name, p in strategy.model.named_parameters()}


def gradients(strategy: Any) -> dict[str, Any]:
    named = strategy.model.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}
