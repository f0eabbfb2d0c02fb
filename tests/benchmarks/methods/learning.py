"""A small network, and a plain training loop with a plugin in it."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.logging import BaseLogger
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from avalanche_mas.models import MultiHeadNetwork


def network(normalised: bool = False) -> MultiHeadNetwork:
    """Return a small network, `normalised` with batch normalisation and dropout."""
    torch.manual_seed(0)
    extra = (nn.BatchNorm2d(4), nn.Dropout(0.5)) if normalised else ()
    convolution = nn.Conv2d(3, 4, 3, stride=2)
    body = nn.Sequential(convolution, *extra, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return MultiHeadNetwork(body, 16)


def strategy_of(plugin: Any, model: nn.Module, *, batch_size: int = 8, **options: float) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), **{"lr": 0.1, "momentum": 0.9, **options})
    return Naive(
        model=model,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=batch_size,
        train_epochs=3,
        plugins=[plugin],
        evaluator=EvaluationPlugin(loggers=[BaseLogger()]),  # without one Avalanche warns
    )


def learn(strategy: Any, *experiences: Any) -> None:
    for number, experience in enumerate(experiences):
        torch.manual_seed(number)
        strategy.train(experience, reset_optimizer_state=True)


def whole(experience: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return all of an experience's data: inputs, labels, task labels."""
    x, y, task = zip(*experience.dataset, strict=True)
    return torch.stack(x), torch.tensor(y), torch.tensor(task)
