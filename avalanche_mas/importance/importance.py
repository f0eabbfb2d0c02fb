"""Ω as a thing of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

__all__ = ["Importance"]


class Importance(Mapping[str, Tensor]):
    """Ω by parameter name: the mean over ``samples`` samples of the absolute per-sample gradient.

    Attributes:
        samples: N, the number of samples in the mean.
    """

    def __init__(self, values: Mapping[str, Tensor], samples: int) -> None:
        self._values = dict(values)
        self.samples = samples

    def __getitem__(self, name: str) -> Tensor:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Importance({len(self)} parameters, samples={self.samples})"
