"""Models whose output is a dictionary, an embedding or a regression."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest
import torch
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.models import MultiTaskModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from avalanche_mas import LocalMASPlugin, MASPlugin
from avalanche_mas.plugins import TaskOutput
from tests.plugins.cases import (
    CLASSES,
    FEATURES,
    MultiHead,
    assert_close,
    assert_equal,
    domain_incremental,
    inputs_of,
    single_head,
    slow_omega,
    strategy_for,
    task_incremental,
    unlabelled,
    weights,
)
from tests.reference import slow_global_importance

# Nothing is logged here, and Avalanche warns of that.
pytestmark = [
    pytest.mark.filterwarnings("ignore:No loggers specified"),
    pytest.mark.usefixtures("double"),
]


@dataclasses.dataclass
class Output:
    """What some models give."""

    embedding: Tensor
    logits: Tensor


class Embedding(nn.Module):
    """A trunk that embeds, a classifier on it, and both outputs in one of several forms."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(FEATURES, 6), nn.BatchNorm1d(6), nn.Tanh())
        self.classifier = nn.Linear(6, CLASSES)
        self.form = form

    def forward(self, x: Tensor) -> Any:
        embedding = self.trunk(x)
        logits = self.classifier(embedding)
        if self.form == "dictionary":
            return {"embedding": embedding, "logits": logits}
        if self.form == "dataclass":
            return Output(embedding, logits)
        return embedding, logits


PICK = {
    "dictionary": lambda output, name: output[name],
    "dataclass": getattr,
    "tuple": lambda output, name: output[("embedding", "logits").index(name)],
}


def options_for(form: str) -> dict[str, Any]:
    return {"criterion": lambda output, y: F.cross_entropy(PICK[form](output, "logits"), y)}


@pytest.mark.parametrize("name", ["embedding", "logits"])
@pytest.mark.parametrize("form", list(PICK))
def test_the_output_that_counts_is_picked_by_forward(form: str, name: str) -> None:
    torch.manual_seed(0)

    def forward(model: nn.Module, x: Tensor) -> Tensor:
        return PICK[form](model(x), name)

    benchmark, model = domain_incremental(2), Embedding(form)
    plugin = MASPlugin(0.1, forward=forward)
    strategy = strategy_for(model, plugin, **options_for(form))
    strategy.train(benchmark.train_stream)
    plugin.update_importance(strategy, [unlabelled(1)])
    x = torch.cat([inputs_of(benchmark.train_stream[1]), unlabelled(1)])
    expected = slow_global_importance(model, [x], forward)
    assert_close(plugin._memory.estimate, expected, rtol=1e-9)
    assert (expected["classifier.weight"].count_nonzero() == 0) == (name == "embedding")


@pytest.mark.parametrize("kind", [MASPlugin, LocalMASPlugin])
@pytest.mark.parametrize("form", list(PICK))
def test_without_forward_such_a_model_is_refused_before_it_is_trained(form: str, kind: Any) -> None:
    model = Embedding(form)
    before = weights(model)
    strategy = strategy_for(model, kind(), **options_for(form))
    with pytest.raises(TypeError, match=r"must be a Tensor.* pass forward="):
        strategy.train(domain_incremental(1).train_stream)
    assert_equal(weights(model), before)


class BatchScaled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * x.std()


class TimeFirst(nn.Module):
    """Batches first, given to a layer that takes time first: the usual mistake."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Linear(1, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
        self.outside = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.outside(self.layer(self.inside(x[:, :, None])).mean(1))


@pytest.mark.parametrize("kind", [MASPlugin, LocalMASPlugin])
@pytest.mark.parametrize("make", [TimeFirst, lambda: BatchScaled(5, 3)])
def test_samples_that_interact_are_refused_before_training(make: Any, kind: Any) -> None:
    strategy = strategy_for(make(), kind())
    before = weights(strategy.model)
    with pytest.raises(ValueError, match="samples interact"):
        strategy.train(domain_incremental(1).train_stream)
    assert_equal(weights(strategy.model), before)


def test_an_output_of_another_shape_is_refused_before_training() -> None:
    model = single_head()
    before = weights(model)
    strategy = strategy_for(model, MASPlugin(forward=lambda model, x: model(x).sum(1)))
    with pytest.raises(ValueError, match=r"must be \[B, C\].*got \[2\]"):
        strategy.train(domain_incremental(1).train_stream)
    assert_equal(weights(model), before)


class MultiHeadDictionary(MultiTaskModule):
    """A multi-task model that gives a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.net = MultiHead()

    def forward(self, x: Tensor, task_labels: Tensor) -> dict[str, Tensor]:
        return {"logits": self.net(x, task_labels)}


FORWARDS = {
    "(model, batch)": lambda model, batch: model(*batch)["logits"],
    "(model, x, task labels)": lambda model, x, t: model(x, t)["logits"],
    "(model, *inputs)": lambda model, *inputs: model(*inputs)["logits"],
}


@pytest.mark.filterwarnings("ignore:forward=:DeprecationWarning")
@pytest.mark.parametrize("forward", FORWARDS.values(), ids=list(FORWARDS))
def test_forward_of_a_multi_task_model_gets_the_labels_too(forward: Any) -> None:
    torch.manual_seed(0)
    benchmark, model = task_incremental(2), MultiHeadDictionary()
    plugin = MASPlugin(forward=forward)
    criterion = {"criterion": lambda output, y: F.cross_entropy(output["logits"], y)}
    strategy = strategy_for(model, plugin, **criterion)
    strategy.train(benchmark.train_stream)
    plugin.update_importance(strategy, [unlabelled(1)])  # with the label of the task
    x = torch.cat([inputs_of(benchmark.train_stream[1]), unlabelled(1)])
    expected = slow_omega(model.net, x, 1)
    estimate = {name.removeprefix("net."): o for name, o in plugin._memory.estimate.items()}
    assert_close(estimate, {name: expected[name] for name in estimate}, rtol=1e-9)
    assert {name.split(".")[2] for name in estimate if "head" in name} == {"1"}


def test_a_forward_with_three_arguments_is_of_yesterday() -> None:
    model, x = MultiHeadDictionary(), inputs_of(task_incremental(1).train_stream[0])
    model.net.adaptation(task_incremental(1).train_stream[0])
    for name, forward in FORWARDS.items():
        output = TaskOutput([x], torch.device("cpu"), (0,), forward)
        expected = contextlib.nullcontext() if "batch" in name else pytest.deprecated_call()
        with expected:
            output(model, x)


def optional(model: nn.Module, batch: Any, flag: Any = None) -> Tensor:
    assert flag is None
    return model(*batch)["logits"]


def test_a_forward_with_an_optional_third_argument_is_of_today() -> None:
    model, x = MultiHeadDictionary(), inputs_of(task_incremental(1).train_stream[0])
    model.net.adaptation(task_incremental(1).train_stream[0])
    for forward in (optional, lambda model, batch, *rest: optional(model, batch, *rest)):
        output = TaskOutput([x], torch.device("cpu"), (0,), forward)(model, x)
        assert output.shape == (len(x), CLASSES)


def test_regression() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 20, FEATURES)
    y = x[..., :2].sin()
    data = [AvalancheDataset([TensorDataset(x[k], y[k])]) for k in range(2)]
    benchmark, model = benchmark_from_datasets(train=data), single_head()
    model[1] = nn.Linear(8, 2)
    plugin = MASPlugin(0.1)
    strategy_for(model, plugin, criterion=nn.MSELoss()).train(benchmark.train_stream)
    assert_close(plugin._memory.estimate, slow_omega(model, x[1]), rtol=1e-9)
