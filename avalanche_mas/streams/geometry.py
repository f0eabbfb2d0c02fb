"""How pictures of all sizes are brought to the size at which they are kept; none is enlarged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from avalanche_mas.streams.pictures import Picture


class Geometry(Protocol):
    """Decodes and shrinks; two that are equal give equal pixels."""

    @property
    def side(self) -> int:
        """The length in pixels that it shrinks to."""

    def __call__(self, picture: Picture) -> Tensor:
        """The picture as uint8 [3, h, w]."""


@dataclass(frozen=True)
class Square:
    """Shrunk to a square, as wide as high; nothing is cut off.

    Attributes:
        side: height and width; a smaller picture gets its own longer side for both.
    """

    side: int

    def __call__(self, picture: Picture) -> Tensor:
        """The picture as uint8 [3, s, s] with s <= ``side``."""
        image = picture.open()
        s = min(self.side, max(image.size))
        return _pixels(image, (s, s))


@dataclass(frozen=True)
class ShorterSide:
    """Shrunk in proportion until the shorter side fits, as torchvision's ``Resize`` does.

    Attributes:
        side: length of the shorter side; a smaller picture keeps its size.
    """

    side: int

    def __call__(self, picture: Picture) -> Tensor:
        """The picture as uint8 [3, h, w] with min(h, w) <= ``side``."""
        image = picture.open()
        shorter = min(image.size)
        side = min(self.side, shorter)
        return _pixels(image, (side * image.width // shorter, side * image.height // shorter))


def _pixels(image: Image.Image, size: tuple[int, int]) -> Tensor:
    if image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
