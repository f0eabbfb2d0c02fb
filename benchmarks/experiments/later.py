"""Random transforms that a loader's worker leaves to the run's own process.

A worker has random numbers of its own, so that augmentation there would depend on the number of
workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info


class Later(NamedTuple):
    """A tensor on its way from a worker, and the transform still to be applied to it.

    It travels as a NumPy array, because every tensor would take a file descriptor.
    """

    array: NDArray[Any]
    transform: Callable[[Tensor], Tensor] | None = None

    def now(self) -> Tensor:
        """Return the tensor, transformed."""
        tensor = torch.from_numpy(self.array)
        return tensor if self.transform is None else self.transform(tensor)


class InOwnProcess:
    """A random transform that is applied in the run's own process only."""

    def __init__(self, transform: Callable[[Tensor], Tensor]) -> None:
        self.transform = transform

    def __call__(self, x: Tensor) -> Tensor | Later:
        """Transform one input, or have it transformed later."""
        return self.transform(x) if get_worker_info() is None else Later(x.numpy(), self.transform)
