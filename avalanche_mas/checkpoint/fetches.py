"""The batches of an epoch, which can be fetched once more in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from avalanche_mas.checkpoint.codec import CheckpointError
from avalanche_mas.checkpoint.randomness import random_states, set_random_states

END = object()
"""What `Fetches.next` returns after the last batch."""


class Watched:
    """A loader whose batches go through a function.

    Raises:
        CheckpointError: Its workers outlive an epoch, and their random numbers with them.
    """

    def __init__(self, loader: Any, batches: Callable[[Any], Iterator[Any]]) -> None:
        options = getattr(loader, "loader_kwargs", vars(loader))
        if options.get("persistent_workers") and options.get("num_workers"):
            raise CheckpointError(
                "the random numbers in persistent workers cannot be saved; leave persistent_workers out"
            )
        self.loader, self._batches = loader, batches

    def __iter__(self) -> Iterator[Any]:
        return self._batches(self.loader)

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


class Fetches:
    """The batches of an epoch.

    Samplers draw from torch's random numbers when they begin. In a loader of several data sets, the
    smaller ones begin again in the middle of the epoch, where training has drawn numbers too. The state
    of the random numbers is therefore kept for every fetch that has changed it.

    Args:
        loader: The loader.
        begin: The random states at the beginning of the epoch; those of now by default.
    """

    def __init__(self, loader: Any, begin: dict[str, Any] | None = None) -> None:
        if begin is not None:
            set_random_states(begin)
        self.done, self._begin = 0, begin or random_states()
        self._draws: dict[int, Tensor] = {}
        self._before = torch.get_rng_state()
        self._batches = iter(loader)

    def next(self) -> Any:
        """Return the next batch, or `END`."""
        self._before = torch.get_rng_state()
        batch = next(self._batches, END)
        if not torch.equal(self._before, torch.get_rng_state()):
            self._draws[self.done] = self._before
        self.done += batch is not END
        return batch

    def skip(self, state: dict[str, Any]) -> None:
        """Fetch the batches again that were fetched before a `state`.

        Raises:
            ValueError: There are fewer.
        """
        draws = dict(zip(state["fetches"], state["draws"], strict=True))
        for number in range(state["batches"]):
            if number in draws:
                torch.set_rng_state(draws[number].clone())  # torch reads from the storage's start
            if self.next() is END:
                raise ValueError(f"{state['batches']} batches were done, and there are {number}")

    def state(self) -> dict[str, Any]:
        """Return what it takes to fetch the same batches again."""
        draws = list(self._draws.values())
        return {
            "batches": self.done,
            "begin": self._begin,
            "fetches": list(self._draws),
            "draws": torch.stack(draws) if draws else torch.empty(0, 0, dtype=torch.uint8),
        }

    @contextmanager
    def before_the_last(self) -> Iterator[None]:
        """Go back to the random numbers before the last fetch, which is repeated after a checkpoint."""
        after = torch.get_rng_state()
        torch.set_rng_state(self._before)
        try:
            yield
        finally:
            torch.set_rng_state(after)
