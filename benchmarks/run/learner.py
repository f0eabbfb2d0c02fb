"""A method that learns a stream, one training after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin

from avalanche_mas.metrics import AccuracyMatrix, AccuracyReport, mas_metrics
from avalanche_mas.plugins import ImportancePlugin
from avalanche_mas.streams import TaskBenchmark
from benchmarks.experiments import EXPERIMENTS
from benchmarks.methods import method_named
from benchmarks.record.schema import Decision, Seconds
from benchmarks.record.settings import Settings
from benchmarks.run.memory import memory_mb
from benchmarks.run.training.networks import network_for
from benchmarks.run.training.strategy import (
    ClipGradient,
    LearningRate,
    TimeStamp,
    make_strategy,
    seed_everything,
)
from benchmarks.run.training.workers import with_workers

_RECORD = ("training", "evaluation", "choosing", "memory", "decisions")
"""What a learner records of each part, a list each."""


class Part(NamedTuple):
    """What one training is on: a task, or in joint training all tasks.

    `number` trainings came before it; `first` is the position of its first task, and `seen`
    tasks have been seen after it.
    """

    number: int
    experience: Any
    first: int
    seen: int


class Learner:
    """A method that learns a stream: the strategy, and a record of time and memory.

    With `full`, everything is measured, not only what the comparison needs. `observers` only watch,
    and `workers` processes read the data.
    `plugins` are those of the strategy that are the method; `decisions` has the choice made before
    each training.
    """

    def __init__(
        self,
        settings: Settings,
        weights: Path | None,
        stream: TaskBenchmark,
        full: bool = False,
        observers: Sequence[SupervisedPlugin] = (),
        workers: int = 0,
    ) -> None:
        self.settings, self.method = settings, method_named(settings.method)
        self.study = EXPERIMENTS[settings.experiment].study()(settings, stream)
        self.train_stream = self.study.stream.train_stream
        part = settings.evaluated_on
        self.eval_stream = self.study.stream.streams[part]
        self.matrix: AccuracyMatrix = (
            AccuracyReport(part, pictures=False, tasks=settings.tasks)
            if full
            else AccuracyMatrix(part)
        )
        self.plugins = self.study.method_plugins()
        self.before, self.after = TimeStamp(), TimeStamp()
        self.training: list[float] = []
        self.evaluation: list[float] = []
        self.choosing: list[float] = []
        self.memory: list[dict[str, float]] = []
        self.decisions: list[Decision] = []
        self._begun: float | None = None
        self._before = 0.0
        evaluator = EvaluationPlugin(
            accuracy_metrics(epoch=True, experience=True),
            loss_metrics(epoch=True, experience=True),
            self.matrix,
            *(mas_metrics(pictures=False) if full and self.omega_plugins else ()),
            loggers=[BaseLogger()],  # a silent one
        )
        self.strategy = make_strategy(
            settings,
            network_for(self.settings.model, self.study.stream, weights),
            with_workers(self.method.strategy(), workers),
            method_plugins=[self.before, *self.plugins, self.after],
            observers=[*self.study.observers(), *observers],
            evaluator=evaluator,
        )

    @property
    def omega_plugins(self) -> list[ImportancePlugin]:
        """The method's plugins that measure Ω."""
        return [plugin for plugin in self.plugins if isinstance(plugin, ImportancePlugin)]

    @property
    def clipped(self) -> list[float] | None:
        """The share of the steps of each training that were clipped; `None` where none is to be."""
        for plugin in self.strategy.plugins:
            if isinstance(plugin, ClipGradient):
                return plugin.shares
        return None

    @property
    def parts(self) -> list[Part]:
        """The trainings in order: one for each task, or one on all of them."""
        stream = self.train_stream
        if self.method.joint:
            return [Part(0, stream, 0, len(stream))]
        return [Part(task, experience, task, task + 1) for task, experience in enumerate(stream)]

    @property
    def steps(self) -> int:
        """The number of training steps of the run, to show progress."""
        sizes = [len(experience.dataset) for experience in self.train_stream]
        parts = [sum(sizes)] if self.method.joint else sizes
        return sum(
            self._epochs(number) * math.ceil(size / self.settings.batch_size)
            for number, size in enumerate(parts)
        )

    def _epochs(self, number: int) -> int:
        """Return the number of epochs for the part with this number."""
        if number == 0 and not self.method.joint:
            return self.settings.first_epochs or self.settings.epochs
        return self.settings.epochs

    def log_to(self, loggers: Sequence[BaseLogger]) -> None:
        """Send all measurements from here on to these loggers."""
        self.strategy.evaluator.loggers = list(loggers)

    def use(self, learning_rate: float, strength: float | None) -> None:
        """Train with this peak learning rate and, unless it is None, this strength from here on."""
        for plugin in self.strategy.plugins:
            if isinstance(plugin, LearningRate):
                plugin.peak = learning_rate
        if strength is not None and self.method.set_strength is not None:
            self.method.set_strength(self.plugins, strength)

    def drop_method(self) -> None:
        """Remove the method's plugins, which leaves fine-tuning."""
        plugins = self.strategy.plugins
        self.strategy.plugins = [plugin for plugin in plugins if plugin not in self.plugins]

    def learn(self, part: Part) -> None:
        """Train on a part, and evaluate every task seen so far."""
        self._begun = begin = time.perf_counter() - self._before
        self.train(part)
        trained = time.perf_counter()
        # not on later tasks: evaluating one would make its head before it is trained
        self.strategy.eval(self.eval_stream[: part.seen])
        self.training.append(trained - begin)
        self.evaluation.append(time.perf_counter() - trained)
        self.memory.append(memory_mb(self.plugins, self.strategy.model))
        self._begun, self._before = None, 0.0

    def train(self, part: Part) -> None:
        """Train on a part with its own seed."""
        seed_everything(self.settings.seed, part.number)
        self.strategy.train_epochs = self._epochs(part.number)
        # each task starts with a fresh optimizer state
        self.strategy.train(part.experience, eval_streams=[], reset_optimizer_state=True)

    def accuracy_on_new(self, part: Part) -> float:
        """Return the mean accuracy on the tasks of the part just trained on; evaluate no others."""
        self.strategy.eval(self.eval_stream[part.first : part.seen])
        return float(np.mean(self.matrix.matrix[part.seen - 1, part.first : part.seen]))

    def seconds(self, total: float) -> Seconds:
        """Return how long each part of the run took, with the given `total`."""
        work = [b - a for a, b in zip(self.before.times, self.after.times, strict=True)]
        seconds: Seconds = {
            "train": [all_ - own for all_, own in zip(self.training, work, strict=True)],
            "importance": work,
            "eval": self.evaluation,
            "total": total,
        }
        if self.choosing:
            seconds["choosing"] = self.choosing
        return seconds

    def state_dict(self) -> dict[str, Any]:
        """Return the record so far, and the seconds spent on the part that is being learned."""
        spent = 0.0 if self._begun is None else time.perf_counter() - self._begun
        return {**{name: getattr(self, name) for name in _RECORD}, "spent": spent}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the record of a `state_dict`."""
        vars(self).update({name: state[name] for name in _RECORD})
        self._before = state["spent"]
