"""What a data loader sees: pixels and classes."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Protocol

from torch import Tensor
from torch.utils.data import Dataset

from avalanche_mas.streams.cache import PixelFile, kept_in_file
from avalanche_mas.streams.geometry import Geometry
from avalanche_mas.streams.task import Sample

MEMORY = "memory"

Cache = str | PathLike[str] | None
"""Where decoded pixels are kept: "memory", a folder, or nowhere."""


class Pixels(Protocol):
    """Pictures as uint8 [3, h, w], by number."""

    def __getitem__(self, index: int, /) -> Tensor:
        """Return one picture."""


class Pictures(Dataset[tuple[Tensor, int]]):
    """Pictures as uint8 [3, h, w] and their 0-based classes."""

    def __init__(self, samples: Sequence[Sample], pixels: Pixels, first_label: int = 0) -> None:
        self.targets = [first_label + sample.label for sample in samples]
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._pixels[index], self.targets[index]


def pixels_of(
    parts: dict[str, tuple[Sample, ...]], geometry: Geometry, cache: Cache, task: str
) -> dict[str, Pixels]:
    """Return the pixels of every part of a task, kept as ``cache`` says.

    Unless ``cache`` is None, every picture is decoded now, so a damaged one is found before training.

    Raises:
        FileNotFoundError: a picture is missing.
        ValueError: a picture cannot be decoded.
        OSError: the cache folder cannot be written.
    """
    if cache is None:
        return {part: Decoded(samples, geometry) for part, samples in parts.items()}
    if cache == MEMORY:
        return {
            part: [geometry(sample.picture) for sample in samples]
            for part, samples in parts.items()
        }
    pictures = {s.picture.name: s.picture for samples in parts.values() for s in samples}
    ordered = [pictures[name] for name in sorted(pictures)]
    file = kept_in_file(ordered, geometry, Path(cache), task)
    row = {picture.name: number for number, picture in enumerate(ordered)}
    return {
        part: StoredRows(file, [row[sample.picture.name] for sample in samples])
        for part, samples in parts.items()
    }


class Decoded:
    """Pictures that are decoded on every access."""

    def __init__(self, samples: Sequence[Sample], geometry: Geometry) -> None:
        self.samples = tuple(samples)
        self.geometry = geometry

    def __getitem__(self, index: int, /) -> Tensor:
        return self.geometry(self.samples[index].picture)


class StoredRows:
    """Some of the pictures of a file."""

    def __init__(self, file: PixelFile, rows: Sequence[int]) -> None:
        self.file = file
        self.rows = list(rows)

    def __getitem__(self, index: int, /) -> Tensor:
        return self.file[self.rows[index]]
