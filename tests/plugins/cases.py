"""Benchmarks, models and strategies for the plugins' tests, and the slow truth."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from avalanche.benchmarks import (
    benchmark_from_datasets,
    with_classes_timeline,
    with_task_labels,
)
from avalanche.benchmarks.utils import AvalancheDataset, as_classification_dataset
from avalanche.benchmarks.utils import _make_taskaware_classification_dataset as task_aware
from avalanche.models import IncrementalClassifier, MultiTaskModule
from avalanche.models.dynamic_modules import MultiHeadClassifier
from avalanche.training import Naive
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn
from torch.utils.data import Dataset

from avalanche_mas.penalty import QuadraticPenalty
from tests.reference import slow_global_importance

FEATURES, CLASSES, SAMPLES = 5, 3, 20

Benchmark = Any
Strategy = Any


class Samples(Dataset[tuple[Any, ...]]):
    """Random inputs and labels, and further fields."""

    def __init__(self, seed: int, first_class: int = 0, fields: int = 0, count: int = SAMPLES):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, FEATURES, generator=generator)
        self.targets = [first_class + i % CLASSES for i in range(count)]
        self.fields = fields

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        return (self.x[i], self.targets[i], *(torch.ones(2) for _ in range(self.fields)))


Parts = tuple[str, ...]


def stream_of(
    datasets: list[AvalancheDataset] | dict[str, list[AvalancheDataset]], labelled: bool
) -> Benchmark:
    """A benchmark of a training stream, or of several streams, as multi-head models need it."""
    streams = datasets if isinstance(datasets, dict) else {"train": datasets}
    benchmark = benchmark_from_datasets(**streams)
    if labelled:
        benchmark = with_task_labels(benchmark)
    benchmark = with_classes_timeline(benchmark)
    for stream in benchmark.streams.values():
        for experience in stream:
            experience.classes_in_this_experience = sorted(experience.classes_in_this_experience)
    return benchmark


def task_incremental(tasks: int = 3, fields: int = 0, parts: Parts = ("train",)) -> Benchmark:
    data = {
        part: [task_aware(Samples(100 * k + i, fields=fields), task_labels=i) for i in range(tasks)]
        for k, part in enumerate(parts)
    }
    return stream_of(data, labelled=True)


def domain_incremental(tasks: int = 3, parts: Parts = ("train",)) -> Benchmark:
    data = {
        part: [as_classification_dataset(Samples(100 * k + i)) for i in range(tasks)]
        for k, part in enumerate(parts)
    }
    return stream_of(data, labelled=False)


def class_incremental(tasks: int = 3, parts: Parts = ("train",)) -> Benchmark:
    data = {
        part: [
            as_classification_dataset(Samples(100 * k + i, first_class=CLASSES * i))
            for i in range(tasks)
        ]
        for k, part in enumerate(parts)
    }
    return stream_of(data, labelled=False)


class Body(nn.Sequential):
    """Linear, batch normalisation, ReLU and dropout."""

    def __init__(self, outputs: int) -> None:
        super().__init__(
            nn.Linear(FEATURES, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(0.2)
        )


class MultiHead(MultiTaskModule):
    """A shared body and a head for every task."""

    def __init__(self, masking: bool = True, units: int = CLASSES) -> None:
        super().__init__()
        self.body = Body(8)
        self.head = MultiHeadClassifier(8, units, masking=masking)

    def forward(self, x: Tensor, task_labels: Tensor) -> Tensor:
        return self.head(self.body(x), task_labels)


class Growing(nn.Module):
    """A body and a head that grows with the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body(8)
        self.head = IncrementalClassifier(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def single_head() -> nn.Module:
    return nn.Sequential(Body(8), nn.Linear(8, CLASSES))


class Poisoned(nn.Module):
    """Gives NaN when told to, in eval mode only."""

    def __init__(self) -> None:
        super().__init__()
        self.net = single_head()
        self.poison = False

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * (math.nan if self.poison and not self.training else 1.0)


SCENARIOS: dict[str, tuple[Callable[[], Benchmark], Callable[[], nn.Module]]] = {
    "task-incremental": (task_incremental, MultiHead),
    "task-incremental, four fields": (lambda: task_incremental(fields=1), MultiHead),
    "domain-incremental": (domain_incremental, single_head),
    "class-incremental": (class_incremental, Growing),
}


def strategy_for(
    model: nn.Module, *plugins: SupervisedPlugin, kind: type = Naive, **options: Any
) -> Strategy:
    options = {
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
        "criterion": nn.CrossEntropyLoss(),
        "train_mb_size": 6,
        "evaluator": None,
        **options,
    }
    return kind(model=model, plugins=list(plugins), **options)


def slow_omega(
    model: nn.Module, inputs: Tensor, task: int | None = None, mask: Tensor | None = None
) -> dict[str, Tensor]:
    """The slow truth, over the units that take part."""

    def forward(model: nn.Module, x: Tensor) -> Tensor:
        output = model(x) if task is None else model(x, torch.tensor([task]))
        return output if mask is None else output[:, mask]

    return slow_global_importance(model, [inputs], forward)


def assert_close(
    actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], rtol: float = 1e-4
) -> None:
    assert actual.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(
            actual[name].double(), expected[name].double(), rtol=rtol, atol=rtol / 10, msg=name
        )


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def assert_equal(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(actual[name], expected[name])] == []


def inputs_of(experience: Any) -> Tensor:
    return torch.stack([sample[0] for sample in experience.dataset])


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of samples of the measurements, in order."""
    counts: list[int] = []
    consolidate = QuadraticPenalty.consolidate

    def counted(self: QuadraticPenalty, model: nn.Module, omega: Any, skip: Any) -> None:
        counts.append(omega.samples)
        consolidate(self, model, omega, skip)

    monkeypatch.setattr(QuadraticPenalty, "consolidate", counted)
    return counts


def train_all(
    scenario: tuple[Benchmark, nn.Module], *plugins: SupervisedPlugin, **options: Any
) -> dict[str, Tensor]:
    benchmark, model = scenario
    model = copy.deepcopy(model)
    torch.manual_seed(1)
    strategy = strategy_for(model, *plugins, **options)
    for experience in benchmark.train_stream:
        strategy.train(experience)
    return weights(model)


def unlabelled(seed: int) -> Tensor:
    return torch.randn(7, FEATURES, generator=torch.Generator().manual_seed(seed))


def assert_same(actual: Any, expected: Any) -> None:
    if isinstance(expected, Mapping):
        assert actual.keys() == expected.keys()
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, Tensor):
        assert torch.equal(actual, expected)
    else:
        assert actual == expected
