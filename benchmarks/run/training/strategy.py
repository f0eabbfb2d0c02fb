"""The Avalanche strategy of a run: the recipe put together, the same for every method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import nn

from avalanche_mas.models import MultiHeadNetwork, SharedHeadNetwork
from benchmarks.record.settings import Settings
from benchmarks.run.training.precision import with_precision
from benchmarks.run.training.training import ClipGradient, LearningRate, make_optimizer
from benchmarks.run.training.validation import EarlyStopping

_EVALUATION_BATCH = 256


def make_strategy(
    settings: Settings,
    model: MultiHeadNetwork | SharedHeadNetwork,
    kind: type[Any],
    *,
    method_plugins: Sequence[SupervisedPlugin],
    observers: Sequence[SupervisedPlugin],
    evaluator: EvaluationPlugin,
) -> Any:
    """Return a strategy that trains as the settings say.

    Args:
        settings: The configuration.
        model: The network.
        kind: The strategy class of the method.
        method_plugins: What makes plain training into the method. They are called before the
            gradient is clipped, and at the end of a task after the best weights were put back.
        observers: Plugins that look on; they are called last.
        evaluator: The metrics and loggers.

    Raises:
        ValueError: The device is not there.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "--device cuda: PyTorch finds no GPU here; leave it out to train on the CPU"
        )
    stopping = [] if settings.patience is None else [EarlyStopping(settings.patience)]
    accuracies = stopping[0].accuracies if stopping else ()
    clip = [] if settings.gradient_clip is None else [ClipGradient(settings.gradient_clip)]
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
            *method_plugins,
            LearningRate(settings.schedule, settings.learning_rate, accuracies),
            *clip,
            *observers,
        ],
        evaluator=evaluator,
    )
