"""What EBLL refuses before it trains."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset as task_aware
from avalanche.models.dynamic_modules import MultiHeadClassifier
from torch import Tensor, nn

from benchmarks.methods._ebll import EBLLPlugin
from benchmarks.run.training.models import MODELS
from benchmarks.run.training.networks import make_network
from tests.benchmarks.methods.feature_heads import CODE, SCENARIOS, WIDTH, ManyHeads, OneHead
from tests.plugins.cases import (
    CLASSES,
    FEATURES,
    Samples,
    domain_incremental,
    strategy_for,
    stream_of,
    weights,
)

# Nothing is logged here, and Avalanche warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:No loggers specified")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0,), r"lambda_reg must be finite and not negative, got -1"),
        ((float("nan"),), r"lambda_reg .* got nan"),
        ((1.0, -0.5), r"alpha must be finite and not negative, got -0\.5"),
        ((1.0, float("inf")), r"alpha .* got inf"),
        ((1.0, 1.0, 0), r"code_size must be positive, got 0"),
    ],
)
def test_bad_values(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EBLLPlugin(*arguments)


def refused(model: nn.Module, benchmark: Any, message: str, **options: Any) -> None:
    before = weights(model)
    plugin = EBLLPlugin(**{"code_size": CODE, **options})
    with pytest.raises(ValueError, match=message):
        strategy_for(model, plugin).train(benchmark.train_stream[0])
    for name, value in before.items():
        assert torch.equal(weights(model)[name], value)


def test_a_code_as_large_as_the_features_is_refused() -> None:
    model = SCENARIOS["domain-incremental"][1]()
    refused(model, domain_incremental(), "model's 8 features .* code_size is 8", code_size=8)


class Flattening(OneHead):
    """A model whose classifier does not get its features."""

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).relu())


class Reshaping(OneHead):
    """A model whose features do not take its inputs."""

    def features(self, x: Tensor) -> Tensor:
        return self.body(x[:, :2])

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.body(x))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Linear(FEATURES, CLASSES), r"classifier\(features\(x\)\); Linear has no features"),
        (
            Flattening(nn.Linear(WIDTH, CLASSES)),
            "on one sample, Flattening gives a different output",
        ),
        (Reshaping(nn.Linear(WIDTH, CLASSES)), "on Reshaping that fails: .*shapes"),
    ],
)
def test_a_model_that_is_no_classifier_of_features_is_refused(
    model: nn.Module, message: str
) -> None:
    refused(model, domain_incremental(), message)


def test_an_experience_of_several_tasks_is_refused() -> None:
    mixed = stream_of([task_aware(Samples(0), task_labels=[0, 1] * 10)], labelled=True)
    model = ManyHeads()
    model.classifier = MultiHeadClassifier(WIDTH, CLASSES, masking=False)
    refused(model, mixed, r"task labels \[0, 1\]; use one task label per experience")


@pytest.mark.parametrize("name", MODELS)
def test_the_networks_of_the_comparison_have_room_for_a_code(name: str) -> None:
    size = MODELS[name].image_size
    model = make_network(name, (MODELS[name].channels or 3, size, size))
    assert model.classifier.in_features > EBLLPlugin().code_size
