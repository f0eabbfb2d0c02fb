"""Worker processes that read and decode data; no number depends on how many there are.

The run's own process transforms and collates each training batch when it takes it, with the random
numbers that it would have drawn without workers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from avalanche_mas.importance import untouched_randomness
from benchmarks.experiments.later import Later
from benchmarks.run.training.strategy import seed_everything

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate as Strategy
else:
    Strategy = object  # as in `precision`


class Finished:
    """A loader whose workers read samples, and which makes batches of them in this process."""

    def __init__(self, loader: Any) -> None:
        options = getattr(loader, "loader_kwargs", vars(loader))
        self.loader, self.collate = loader, options["collate_fn"]
        options["collate_fn"] = _on_their_way

    def __iter__(self) -> Iterator[Any]:
        for samples in self.loader:
            yield self.collate(
                [[v.now() if isinstance(v, Later) else v for v in sample] for sample in samples]
            )

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


def _on_their_way(samples: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return samples from a worker as they travel."""
    return [[Later(v.numpy()) if isinstance(v, Tensor) else v for v in one] for one in samples]


class ReadingAhead(Strategy):
    """A strategy with `workers` processes that read its data."""

    workers: int  # of the class: a checkpoint takes a strategy's attributes for its arguments

    def make_train_dataloader(self, **options: Any) -> None:
        """Make the loader of training batches."""
        super().make_train_dataloader(**{**options, "num_workers": self.workers})
        self.dataloader: Any = Finished(self.dataloader)

    def make_eval_dataloader(self, **options: Any) -> None:
        """Make the loader of batches to evaluate, whose transforms are not random."""
        super().make_eval_dataloader(**{**options, "num_workers": self.workers})


def with_workers(strategy: type[Any], workers: int) -> type[Any]:
    """Return a strategy class whose data so many processes read; without any, the class itself."""
    if not workers:
        return strategy
    return type(strategy.__name__, (ReadingAhead, strategy), {"workers": workers})


def draws_at_random(dataset: Any) -> bool:
    """Return whether a data set draws from the global random numbers for its first sample."""

    def next_numbers() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    with untouched_randomness(()):
        seed_everything(0)
        expected = next_numbers()
        seed_everything(0)
        dataset[0]
        return next_numbers() != expected
