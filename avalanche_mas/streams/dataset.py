"""What a loader sees: squares of pixels, and how they become a network's input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from avalanche_mas.streams.pictures import square_pixels
from avalanche_mas.streams.task import Normalisation, Sample

SHIFT = 1 / 8
"""Augmentation moves a picture by up to this part of its side, up, down, left and right."""


class Pictures(Dataset[tuple[Tensor, int]]):
    """Pictures as uint8 [3, s, s] with s <= ``side``, and their 0-based classes.

    With ``in_memory`` every picture is decoded now, so that a damaged one is found before any
    training; N pictures take at most 3 · N · side² bytes. Otherwise each is decoded when asked for.

    Raises:
        FileNotFoundError: a picture is not there.
        ValueError: a picture cannot be decoded.
    """

    def __init__(self, samples: Sequence[Sample], side: int, in_memory: bool = True) -> None:
        self.samples = tuple(samples)
        self.side = side
        self.targets = [sample.label for sample in samples]
        self._decoded = [square_pixels(s.picture, side) for s in samples] if in_memory else None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if self._decoded is not None:
            return self._decoded[index], self.targets[index]
        return square_pixels(self.samples[index].picture, self.side), self.targets[index]


class Prepare:
    """From uint8 [3, s, s] to normalised float32 [3, side, side].

    Args:
        side: height and width of the result; smaller pictures are enlarged bilinearly.
        normalisation: the result is (pixel / 255 − mean) / deviation.
        shift: move by up to ``SHIFT`` of the side, at random; the edge is mirrored.
        flip: mirror left and right, at random.
    """

    def __init__(
        self, side: int, normalisation: Normalisation, *, shift: bool = False, flip: bool = False
    ) -> None:
        self.side = side
        self.flip = flip
        self.reach = round(SHIFT * side) if shift else 0
        self.mean = 255 * torch.tensor(normalisation.mean)[:, None, None]
        self.scale = 1 / (255 * torch.tensor(normalisation.deviation)[:, None, None])
        inside = torch.arange(side)
        before, after = inside[1 : self.reach + 1].flip(0), inside[-self.reach - 1 : -1].flip(0)
        self.mirrored = torch.cat([before, inside, after])  # [side + 2 reach]

    def __call__(self, pixels: Tensor) -> Tensor:
        """Prepare one picture; randomness comes from torch's generator."""
        if pixels.shape[-1] != self.side:
            size = (self.side, self.side)
            pixels = interpolate(pixels[None], size=size, mode="bilinear", align_corners=False)[0]
        if self.reach:
            top, left = torch.randint(2 * self.reach + 1, (2,)).tolist()
            rows = self.mirrored[top : top + self.side]
            columns = self.mirrored[left : left + self.side]
            pixels = pixels.index_select(1, rows).index_select(2, columns)
        if self.flip and torch.rand(()) < 0.5:
            pixels = pixels.flip(-1)
        return (pixels - self.mean) * self.scale
