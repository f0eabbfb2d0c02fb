"""Networks with a classifier on features, as EBLL needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avalanche.models import IncrementalClassifier, MultiTaskModule
from avalanche.models.dynamic_modules import MultiHeadClassifier
from torch import Tensor, nn

from benchmarks.methods._ebll import EBLLPlugin
from tests.plugins.cases import (
    CLASSES,
    FEATURES,
    class_incremental,
    domain_incremental,
    task_incremental,
)

WIDTH, CODE = 8, 3


def body(dropout: float) -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.Tanh(), nn.Dropout(dropout))


class OneHead(nn.Module):
    """A network with features and one classifier on them."""

    def __init__(self, classifier: nn.Module, dropout: float = 0.0) -> None:
        super().__init__()
        self.body, self.classifier = body(dropout), classifier

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class ManyHeads(MultiTaskModule):
    """A network with features and a classifier for each task."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.body, self.classifier = body(dropout), MultiHeadClassifier(WIDTH, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)

    def forward(self, x: Tensor, task_labels: Tensor) -> Tensor:
        return self.classifier(self.features(x), task_labels)


Scenario = tuple[Callable[[], Any], Callable[..., nn.Module]]


SCENARIOS: dict[str, Scenario] = {
    "task-incremental": (task_incremental, ManyHeads),
    "domain-incremental": (
        domain_incremental,
        lambda dropout=0.0: OneHead(nn.Linear(WIDTH, CLASSES), dropout),
    ),
    "class-incremental": (
        class_incremental,
        lambda dropout=0.0: OneHead(IncrementalClassifier(WIDTH, CLASSES), dropout),
    ),
}


def ebll(lambda_reg: float = 1.0, alpha: float = 0.5) -> EBLLPlugin:
    return EBLLPlugin(lambda_reg, alpha, code_size=CODE)
