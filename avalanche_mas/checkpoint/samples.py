"""Data sets of samples of the training stream, as the places of the samples in it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import torch
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.benchmarks.utils.utils import concat_datasets
from torch import Tensor

from avalanche_mas.checkpoint.codec import CheckpointError


def described(dataset: AvalancheDataset) -> str:
    """Return how many samples there are, and a digest of their labels in order, if they have some."""
    labels = getattr(dataset, "targets", None)
    if labels is None:
        return f"{len(dataset)} samples"
    found = zlib.crc32(",".join(map(str, labels)).encode())
    return f"{len(dataset)} samples with labels {found:08x}"


def datasets_of(experience: Any) -> list[Any]:
    """Return the data set of an experience, or those of a stream."""
    single = hasattr(experience, "dataset")
    return [experience.dataset] if single else [each.dataset for each in experience]


class Samples:
    """The samples of the training stream, found again by what they are and where they lie."""

    def __init__(self, datasets: Sequence[AvalancheDataset]) -> None:
        self._datasets = datasets
        self._place: dict[tuple[int, int], tuple[int, int] | None] = {}
        self._noted = 0

    def places(self, dataset: AvalancheDataset, where: str) -> Tensor:
        """Return the (experience, position) of every sample, [N, 2].

        Raises:
            CheckpointError: A sample is in no experience, or in several.
        """
        self._note()
        found = [self._place.get(key) for key in _keys(dataset)]
        missing = found.count(None)
        if missing:
            raise CheckpointError(
                f"{where} has {missing} samples that are in no experience of the training stream, or in "
                "several, so that they cannot be found again; name what holds them in skip="
            )
        return torch.tensor(found, dtype=torch.int64).reshape(-1, 2)

    def _note(self) -> None:
        """Note where every sample lies; None if that is in several experiences."""
        for number in range(self._noted, len(self._datasets)):
            for position, key in enumerate(_keys(self._datasets[number])):
                known = self._place.setdefault(key, (number, position))
                if known is None or known[0] != number:
                    self._place[key] = None
        self._noted = len(self._datasets)

    def gather(self, places: Tensor) -> AvalancheDataset:
        """Return a data set of the samples at these places, in this order."""
        parts, begin = [], 0
        for end in range(1, len(places) + 1):
            if end == len(places) or places[end, 0] != places[begin, 0]:
                dataset = self._datasets[int(places[begin, 0])]
                parts.append(dataset.subset(places[begin:end, 1].tolist()))
                begin = end
        return concat_datasets(parts)


def _keys(dataset: AvalancheDataset) -> list[tuple[int, int]]:
    """Return the leaf data set of every sample, by its identity, and the position in it."""
    return [_key(dataset, position) for position in range(len(dataset))]


def _key(dataset: Any, position: int) -> tuple[int, int]:
    while hasattr(dataset, "_get_idx"):
        part, position = dataset._get_idx(position)
        dataset = dataset._datasets[part]
    if isinstance(dataset, AvalancheDataset):
        return _key(dataset._flat_data, position)
    return id(dataset), int(position)
