"""Streams of tensors, for commands that need tasks and no pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import TensorDataset

from avalanche_mas.streams import TaskBenchmark, stream_of_datasets


def stream_of_tensors(
    tasks: Sequence[tuple[Tensor, Tensor]], scenario: str = "domain"
) -> TaskBenchmark:
    """Return a stream of tasks; each trains, validates and tests on the same inputs and labels."""
    datasets = {}
    for number, (x, y) in enumerate(tasks):
        data: Any = TensorDataset(x, y)
        data.targets = y.tolist()
        datasets[str(number)] = dict.fromkeys(("train", "valid", "test"), data)
    return stream_of_datasets(datasets, scenario=scenario)
