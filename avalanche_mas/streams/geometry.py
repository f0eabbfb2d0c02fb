"""Shrinking pictures to the size at which they are kept; none is enlarged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from avalanche_mas.streams.pictures import Picture


class Geometry(Protocol):
    """A way to decode and shrink; equal geometries give equal pixels."""

    @property
    def side(self) -> int:
        """The target length in pixels."""

    def __call__(self, picture: Picture) -> Tensor:
        """Return the picture as uint8 [3, h, w]."""


@dataclass(frozen=True)
class Square:
    """Shrinking to a square; nothing is cropped.

    Attributes:
        side: height and width; a smaller picture becomes a square of its longer side.
    """

    side: int

    def __call__(self, picture: Picture) -> Tensor:
        """Return the picture as uint8 [3, s, s] with s <= ``side``."""
        image = picture.open()
        s = min(self.side, max(image.size))
        return _pixels(image, (s, s))


@dataclass(frozen=True)
class ShorterSide:
    """Shrinking in proportion until the shorter side fits, as torchvision's ``Resize`` does.

    Attributes:
        side: length of the shorter side; a smaller picture keeps its size.
    """

    side: int

    def __call__(self, picture: Picture) -> Tensor:
        """Return the picture as uint8 [3, h, w] with min(h, w) <= ``side``."""
        image = picture.open()
        shorter = min(image.size)
        side = min(self.side, shorter)
        return _pixels(image, (side * image.width // shorter, side * image.height // shorter))


def _pixels(image: Image.Image, size: tuple[int, int]) -> Tensor:
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
