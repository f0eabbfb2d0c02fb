"""A method, networks and streams as users bring them: named by import path."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import torch
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.benchmarks.scenarios import with_task_labels
from avalanche.benchmarks.utils import (
    _make_taskaware_classification_dataset,
    as_classification_dataset,
    as_taskaware_classification_dataset,
)
from avalanche.core import SupervisedPlugin
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from avalanche_mas.streams import TaskBenchmark, stream_of_datasets
from benchmarks.methods import Method
from benchmarks.methods.method import setter


class Decay(SupervisedPlugin):
    """Pulls all weights towards zero."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def before_update(self, strategy: Any, **_: Any) -> None:
        for parameter in strategy.model.parameters():
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach(), alpha=self.strength)


METHOD = Method(
    name="decay",
    title="Weight decay",
    source="",
    make_plugins=lambda strength: [Decay(strength)],
    strength="λ",
    centre=0.01,
)
JOINT = replace(METHOD, joint=True)
NAMESAKE = replace(METHOD, title="mas")
TITLED_AS_MAS = replace(METHOD, title="MAS")
JUST_ALIKE = replace(METHOD)
WITHOUT_STRENGTH = replace(METHOD, title="None to tune", strength=None, centre=None)
WITHOUT_CENTRE = replace(
    METHOD, title="Nothing usual", centre=None, set_strength=setter("strength")
)


def classifier() -> nn.Module:
    """Return a network that gives class scores."""
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(16), nn.ReLU(), nn.Linear(16, 1000))


def features() -> nn.Module:
    """Return a network that gives features, and draws random numbers in training."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 8), nn.Dropout(), nn.ReLU()
    )


def for_large_images() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 100), nn.Flatten(), nn.ReLU())


def blobs(seed: int, labels: tuple[int, ...], samples: int = 12) -> TensorDataset:
    """Return samples [3, 8, 8] of these classes."""
    y = torch.tensor(labels)[torch.arange(samples) % len(labels)]
    x = torch.randn(samples, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    data = TensorDataset(x + y[:, None, None, None], y)
    data.targets = y.tolist()
    return data


def stream() -> TaskBenchmark:
    """Return a stream of two tasks, made by this project."""
    parts = {"train": 0, "valid": 1, "test": 2}
    tasks = {"near": (0, 1), "far": (0, 1, 2)}
    return stream_of_datasets(
        {n: {p: blobs(seed, own) for p, seed in parts.items()} for n, own in tasks.items()}
    )


def with_one_head() -> Any:
    """Return a benchmark of Avalanche's, class-incremental in no particular order, without validation."""
    data = {part: [blobs(s, (4, 1)), blobs(s, (0, 3))] for s, part in enumerate(("train", "test"))}
    return benchmark_from_datasets(
        **{
            p: [_make_taskaware_classification_dataset(d, task_labels=0) for d in own]
            for p, own in data.items()
        }
    )


def with_a_head_each() -> Any:
    """Return a benchmark of Avalanche's whose tasks have labels."""
    data = {part: [blobs(s, (0, 1)), blobs(s, (1, 0))] for s, part in enumerate(("train", "test"))}
    return with_task_labels(
        benchmark_from_datasets(
            **{
                part: [
                    _make_taskaware_classification_dataset(d, task_labels=k)
                    for k, d in enumerate(own)
                ]
                for part, own in data.items()
            }
        )
    )


def without_task_labels() -> Any:
    """Return a benchmark of Avalanche's whose data sets record no task labels."""
    data = [as_classification_dataset(blobs(0, own)) for own in ((0, 1), (1, 2))]
    return benchmark_from_datasets(train=data, test=data)


def without_targets() -> Any:
    data = [as_taskaware_classification_dataset(blobs(0, (0, 1)))] * 2
    return benchmark_from_datasets(train=data, test=data)


def one_task_short() -> Any:
    made = with_one_head()
    return benchmark_from_datasets(
        train=[e.dataset for e in made.train_stream], test=[made.test_stream[0].dataset]
    )


class Noisy(Dataset[tuple[Tensor, int]]):
    """A data set that adds noise whenever it is read."""

    def __init__(self, labels: tuple[int, ...]) -> None:
        self.data = blobs(0, labels)
        self.targets = self.data.targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.data[index][0] + random.random(), self.targets[index]


def noisy() -> TaskBenchmark:
    return stream_of_datasets(
        {n: dict.fromkeys(("train", "valid", "test"), Noisy((0, 1))) for n in "ab"}
    )


def of_vectors() -> TaskBenchmark:
    """Return a stream of inputs that are no images."""
    data = TensorDataset(torch.zeros(4, 5), torch.tensor([0, 1] * 2))
    data.targets = [0, 1] * 2
    return stream_of_datasets({"a": dict.fromkeys(("train", "valid", "test"), data)})


class Texts(Noisy):
    """A data set whose inputs are no tensors."""

    def __getitem__(self, index: int) -> Any:
        return "text", self.targets[index]


def of_texts() -> TaskBenchmark:
    return stream_of_datasets({"a": dict.fromkeys(("train", "valid", "test"), Texts((0, 1)))})
