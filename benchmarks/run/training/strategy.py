"""How a task is trained with every method: seeds, optimizer, learning rates, clipping."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from avalanche.core import SupervisedPlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import nn

from avalanche_mas.models import MultiHeadNetwork, SharedHeadNetwork
from benchmarks.record.settings import Settings
from benchmarks.run.training.precision import with_precision
from benchmarks.run.training.schedules import SCHEDULES, Progress
from benchmarks.run.training.validation import EarlyStopping

_EVALUATION_BATCH = 256
_OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def seed_everything(seed: int, task: int = 0) -> None:
    """Seed Python's, NumPy's and torch's global generators for one task of one run.

    Each task has its own seed, so that a method that draws random numbers changes neither the order
    of the next task's batches nor its head's initial weights.
    """
    number = 1_000 * seed + task
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - the generator that third-party transforms draw from
    torch.manual_seed(number)


def make_optimizer(
    model: MultiHeadNetwork | SharedHeadNetwork, settings: Settings
) -> torch.optim.Optimizer:
    """Return the optimizer, with one parameter group for the body and one for the classifier.

    A group's `"share"` is its learning rate divided by that of the heads, which `LearningRate` sets.

    Later heads join the classifier's group.
    """
    rate = settings.learning_rate
    share = (settings.backbone_learning_rate or rate) / rate
    groups = [
        {"params": list(model.body.parameters()), "share": share},
        {"params": list(model.classifier.parameters()), "share": 1.0},
    ]
    options: dict[str, Any] = {"lr": rate, "weight_decay": settings.weight_decay}
    if settings.momentum is not None:
        options["momentum"] = settings.momentum
    return _OPTIMIZERS[settings.optimizer](groups, **options)


def make_strategy(
    settings: Settings,
    model: MultiHeadNetwork | SharedHeadNetwork,
    kind: type[Any],
    *,
    method_plugins: Sequence[SupervisedPlugin],
    observers: Sequence[SupervisedPlugin],
    evaluator: EvaluationPlugin,
) -> Any:
    """Return a strategy that trains according to the settings.

    The method's plugins are called before the gradient is clipped, or after it if penalties are
    damped, and, at the end of a task, after the best weights are restored. Observers only
    watch, and are called last.

    Raises:
        ValueError: The device is not available.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "--device cuda: PyTorch finds no GPU here; leave it out to train on the CPU"
        )
    stopping = [] if settings.patience is None else [EarlyStopping(settings.patience)]
    accuracies = stopping[0].accuracies if stopping else ()
    clip = [] if settings.gradient_clip is None else [ClipGradient(settings.gradient_clip)]
    first, last = (clip, []) if settings.penalty == "damped" else ([], clip)
    return with_precision(kind, settings.precision)(
        model=model,
        optimizer=make_optimizer(model, settings),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=settings.batch_size,
        train_epochs=settings.epochs,
        eval_mb_size=_EVALUATION_BATCH,
        device=settings.device,
        plugins=[
            *stopping,
            *first,
            *method_plugins,
            LearningRate(settings.schedule, settings.learning_rate, accuracies),
            *last,
            *observers,
        ],
        evaluator=evaluator,
    )


class LearningRate(SupervisedPlugin):
    """A plugin that sets the learning rate of each step.

    `peak` is that of the heads. `EarlyStopping` fills `accuracies`, on validation data by
    epoch.
    """

    def __init__(self, schedule: str, peak: float, accuracies: Sequence[float] = ()) -> None:
        super().__init__()
        self.schedule, self.peak, self.accuracies = schedule, peak, accuracies

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Set the learning rates of the next step."""
        steps = strategy.train_epochs * len(strategy.dataloader)
        progress = Progress(strategy.clock.train_exp_iterations, steps, self.accuracies)
        rate = SCHEDULES[self.schedule](self.peak, progress)
        for group in strategy.optimizer.param_groups:
            group["lr"] = rate * group["share"]


class ClipGradient(SupervisedPlugin):
    """A plugin that scales the gradient, with what was added to it so far, down to a largest 2-norm.

    `shares` has the share of clipped steps of each training.
    """

    def __init__(self, norm: float) -> None:
        super().__init__()
        self.norm = norm
        self.shares: list[float] = []
        self._steps = self._clipped = 0

    def before_training_exp(self, strategy: Any, **_: Any) -> None:  # noqa: ARG002
        """Count from zero."""
        self._steps = self._clipped = 0

    def after_training_exp(self, strategy: Any, **_: Any) -> None:  # noqa: ARG002
        """Record the share of this training."""
        self.shares.append(self._clipped / max(1, self._steps))

    def before_update(self, strategy: Any, **_: Any) -> None:
        """Clip the gradient in place.

        The squares are added one after the other, so that a parameter whose gradient is zero
        changes no bit of the sum, as if it had none: a penalty without effect has none here.
        """
        parameters = strategy.model.parameters()
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = math.sqrt(sum(torch.linalg.vector_norm(g).item() ** 2 for g in gradients))
        self._steps += 1
        self._clipped += norm > self.norm
        if norm > self.norm:
            for gradient in gradients:
                gradient.mul_(self.norm / norm)


class TimeStamp(SupervisedPlugin):
    """A plugin that records when each task's training ends; a pair times the plugins between."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def after_training_exp(self, strategy: Any, **_: Any) -> None:  # noqa: ARG002
        """Record the time."""
        self.times.append(time.perf_counter())
