"""Transforms from the kept pixels to a network's input, for training and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from avalanche_mas.streams.geometry import Geometry, ShorterSide, Square
from avalanche_mas.streams.task import Normalisation

SHIFT = 1 / 8
"""Augmentation shifts a picture by up to this fraction of its side in each direction."""

PAPER = (256, 224)
"""The paper's shorter side and crop, in pixels; other sizes keep the proportion."""

TRANSFORMS = ("shift", "paper")


class TaskTransforms(NamedTuple):
    """A geometry for keeping pictures, and transforms for training and evaluation."""

    geometry: Geometry
    train: Callable[[Tensor], Tensor]
    evaluate: Callable[[Tensor], Tensor]


def task_transforms(
    kind: str, side: int, normalisation: Normalisation, *, augment: bool, flip: bool
) -> TaskTransforms:
    """Make the transforms of one task.

    Args:
        kind: "shift": the whole picture as a square, shifted and mirrored in training. "paper": the
            shorter side resized to 256, then a crop of 224 (both scaled by ``side`` / 224), at random
            in training and from the centre in evaluation.
        side: height and width of the result, in pixels.
        normalisation: mean and deviation of each channel.
        augment: whether to augment training pictures; otherwise they are treated as in evaluation.
        flip: whether training pictures may be mirrored.
    """
    geometry: Geometry
    if kind == "shift":
        geometry = Square(side)
        evaluate: Callable[[Tensor], Tensor] = Prepare(side, normalisation)
        train: Callable[[Tensor], Tensor] = Prepare(side, normalisation, shift=True, flip=flip)
    else:
        geometry = ShorterSide(round(side * PAPER[0] / PAPER[1]))
        evaluate = Crop(side, geometry.side, normalisation)
        train = Crop(side, geometry.side, normalisation, random=True, flip=flip)
    return TaskTransforms(geometry, train if augment else evaluate, evaluate)


class Prepare:
    """The transform of a whole picture, uint8 [3, s, s], to normalised float32 [3, side, side].

    Args:
        side: height and width of the result; smaller pictures are enlarged bilinearly.
        normalisation: the result is (pixel / 255 − mean) / deviation.
        shift: shift by up to ``SHIFT`` of the side at random; the border is filled by reflection.
        flip: mirror left and right at random.
    """

    def __init__(
        self, side: int, normalisation: Normalisation, *, shift: bool = False, flip: bool = False
    ) -> None:
        self.side = side
        self.flip = flip
        self.reach = round(SHIFT * side) if shift else 0
        self.normalise = Normalise(normalisation)
        inside = torch.arange(side)
        before, after = inside[1 : self.reach + 1].flip(0), inside[-self.reach - 1 : -1].flip(0)
        self.mirrored = torch.cat([before, inside, after])  # [side + 2 reach]

    def __call__(self, pixels: Tensor) -> Tensor:
        """Prepare one picture; randomness comes from torch's generator."""
        if pixels.shape[-1] != self.side:
            pixels = _enlarge(pixels, (self.side, self.side))
        if self.reach:
            top, left = torch.randint(2 * self.reach + 1, (2,)).tolist()
            rows = self.mirrored[top : top + self.side]
            columns = self.mirrored[left : left + self.side]
            pixels = pixels.index_select(1, rows).index_select(2, columns)
        return self.normalise(_perhaps_mirrored(pixels) if self.flip else pixels)


class Crop:
    """The transform of a picture, uint8 [3, h, w], to a crop, normalised float32 [3, side, side].

    Args:
        side: height and width of the crop.
        shorter: the shorter side before cropping; smaller pictures are enlarged bilinearly.
        normalisation: the result is (pixel / 255 − mean) / deviation.
        random: crop at random instead of from the centre.
        flip: mirror left and right at random.
    """

    def __init__(
        self,
        side: int,
        shorter: int,
        normalisation: Normalisation,
        *,
        random: bool = False,
        flip: bool = False,
    ) -> None:
        self.side = side
        self.shorter = shorter
        self.random = random
        self.flip = flip
        self.normalise = Normalise(normalisation)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Prepare one picture; randomness comes from torch's generator."""
        shortest = min(pixels.shape[1:])
        if shortest != self.shorter:
            height, width = (n * self.shorter // shortest for n in pixels.shape[1:])
            pixels = _enlarge(pixels, (height, width))
        top, left = (self._start(n - self.side) for n in pixels.shape[1:])
        pixels = pixels[:, top : top + self.side, left : left + self.side]
        return self.normalise(_perhaps_mirrored(pixels) if self.flip else pixels)

    def _start(self, room: int) -> int:
        return int(torch.randint(room + 1, ())) if self.random else round(room / 2)


class Normalise:
    """The transform of pixels in 0..255, [3, h, w], to (pixel / 255 − mean) / deviation, float32."""

    def __init__(self, normalisation: Normalisation) -> None:
        self.mean = 255 * torch.tensor(normalisation.mean)[:, None, None]
        self.scale = 1 / (255 * torch.tensor(normalisation.deviation)[:, None, None])

    def __call__(self, pixels: Tensor) -> Tensor:
        """Normalise one picture."""
        return (pixels - self.mean) * self.scale


def _enlarge(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(pixels[None], size=size, mode="bilinear", align_corners=False)[0]


def _perhaps_mirrored(pixels: Tensor) -> Tensor:
    return pixels.flip(-1) if torch.rand(()) < 0.5 else pixels
