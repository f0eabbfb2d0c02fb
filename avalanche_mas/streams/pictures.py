"""Pictures: named sources of RGB images."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from avalanche_mas.streams.modes import as_rgb

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, right and bottom exclusive."""


class Picture(Protocol):
    """One picture of a data set."""

    @property
    def name(self) -> str:
        """A name that is unique in the data set and the same on every machine."""

    def open(self) -> Image.Image:
        """Return the picture in mode RGB."""

    def state(self) -> str:
        """Return a text that changes when the pixels may have changed; nothing is decoded."""


@dataclass(frozen=True)
class FilePicture:
    """A picture in a file, or the part of it inside ``box``, which may extend past the edges."""

    name: str
    path: Path
    box: Box | None = None

    def open(self) -> Image.Image:
        """Decode the file, whatever its suffix; see :func:`~.modes.as_rgb`.

        Raises:
            FileNotFoundError: the file is missing.
            ValueError: the file cannot be decoded, or the box has no pixel of it.
        """
        try:
            with Image.open(self.path) as image:
                rgb = as_rgb(image)
        except FileNotFoundError:
            raise
        except Exception as error:  # Pillow's decoders raise whatever their format's parser does
            raise ValueError(
                f"{self.path} is not a readable image: {error}; put a whole copy of it there"
            ) from error
        if self.box is None:
            return rgb
        left, top, right, bottom = inside = _inside(self.box, rgb.size)
        if left >= right or top >= bottom:
            raise ValueError(f"{self.path}: the box {self.box} has no pixel of the image")
        return rgb.crop(inside)

    def state(self) -> str:
        """Return the file's length and modification time, and the box."""
        facts = self.path.stat()
        return f"{facts.st_size} {facts.st_mtime_ns} {self.box}"


@dataclass(frozen=True, eq=False)
class ArrayPicture:
    """A picture held as an array, uint8 [H, W, 3]."""

    name: str
    pixels: NDArray[np.uint8]

    def open(self) -> Image.Image:
        """Return the array as an image."""
        return Image.fromarray(np.ascontiguousarray(self.pixels))

    def state(self) -> str:
        """Return a digest of the pixels."""
        return f"{self.pixels.shape} {sha256(self.pixels.tobytes()).hexdigest()}"


def _inside(box: Box, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])


def is_grey(picture: Picture) -> bool:
    """Return whether red, green and blue are equal in every pixel."""
    pixels = np.asarray(picture.open())
    return bool((pixels == pixels[..., :1]).all())
