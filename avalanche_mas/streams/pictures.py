"""Pictures: something with a name that can be opened as RGB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, right and bottom exclusive."""


class Picture(Protocol):
    """One picture of a data set."""

    @property
    def name(self) -> str:
        """Unique within the data set and the same on every machine."""

    def open(self) -> Image.Image:
        """The picture in mode RGB."""


@dataclass(frozen=True)
class FilePicture:
    """A picture in a file, or the part of it inside ``box``, which may reach over the edges."""

    name: str
    path: Path
    box: Box | None = None

    def open(self) -> Image.Image:
        """Decode the file; grey and palette pictures become RGB.

        Raises:
            FileNotFoundError: the file is not there.
            ValueError: the file cannot be decoded.
        """
        try:
            with Image.open(self.path) as image:
                rgb: Image.Image = image.convert("RGB")
        except FileNotFoundError:
            raise
        except Exception as error:  # Pillow's decoders raise whatever their format's parser does
            raise ValueError(f"{self.path} is not a readable image: {error}") from error
        return rgb if self.box is None else rgb.crop(_inside(self.box, rgb.size))


@dataclass(frozen=True, eq=False)
class ArrayPicture:
    """A picture held as an array, uint8 [H, W, 3]."""

    name: str
    pixels: NDArray[np.uint8]

    def open(self) -> Image.Image:
        """The array as an image."""
        return Image.fromarray(np.ascontiguousarray(self.pixels))


def _inside(box: Box, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])


def square_pixels(picture: Picture, side: int) -> torch.Tensor:
    """Decode a picture and shrink it to a square; nothing is cut off, nothing is enlarged.

    Returns:
        uint8 [3, s, s] with s = ``side``, or the picture's longer side where that is smaller.
    """
    image = picture.open()
    s = min(side, max(image.size))
    if image.size != (s, s):
        image = image.resize((s, s), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def is_grey(picture: Picture) -> bool:
    """Whether the red, green and blue of every pixel are equal."""
    pixels = np.asarray(picture.open())
    return bool((pixels == pixels[..., :1]).all())
