"""Training steps as users run them: in an Avalanche strategy, with a MAS plugin and without."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from avalanche.training.plugins import MASPlugin as AvalanchePlugin
from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.supervised import Naive
from torch import nn

from avalanche_mas.plugins import MASPlugin
from benchmarks.commands.speed.setup import Setup
from benchmarks.commands.tensors import stream_of_tensors

STRATEGY = "strategy"
PLUGINS: dict[str, Callable[[], list[SupervisedPlugin]]] = {
    STRATEGY: list,
    "our plugin": lambda: [MASPlugin(accumulation="sum")],
    "Avalanche's plugin": lambda: [AvalanchePlugin()],
}
STEPS = 3
"""Steps of a task whose median counts."""


class Clock(SupervisedPlugin):
    """The times at which the iterations of a task began."""

    def __init__(self, wait: Callable[[], None]) -> None:
        super().__init__()
        self.wait = wait
        self.began: list[float] = []

    def before_training_exp(self, _: Any, **__: Any) -> None:
        """Forget the task before."""
        self.began.clear()

    def before_training_iteration(self, _: Any, **__: Any) -> None:
        """Note the time."""
        self.wait()
        self.began.append(time.perf_counter())

    @property
    def step(self) -> float:
        """Median seconds from the beginning of an iteration to the next."""
        return statistics.median(b - a for a, b in zip(self.began, self.began[1:], strict=False))


def strategy_steps(
    network: str, batch: int, classes: int, rounds: int, setup: Setup
) -> dict[str, list[float]]:
    """Return the seconds of a step in each strategy, which take turns to learn a task of one batch.

    A step is all from the beginning of one iteration to the next, with the loading of its batch. The
    first task, which has no penalty, warms up.
    """
    tasks = {}
    for name, plugins in PLUGINS.items():
        model, images = setup.network(network, batch, num_classes=classes)
        clock = Clock(setup.wait)
        strategy = _strategy(model, batch, setup.device, [*plugins(), clock])
        task = images.cpu(), torch.arange(batch) % classes
        stream = stream_of_tensors([task] * (rounds + 1)).train_stream
        tasks[name] = strategy, clock, iter(stream)
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, (strategy, clock, stream) in tasks.items():
            strategy.train(next(stream))
            if number:
                seconds[name].append(clock.step)
    return seconds


def _strategy(model: nn.Module, batch: int, device: torch.device, plugins: list[Any]) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No loggers specified")
        return Naive(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=batch,
            train_epochs=STEPS + 1,
            device=device,
            plugins=plugins,
            evaluator=None,
        )
