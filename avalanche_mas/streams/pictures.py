"""Pictures: something with a name that can be opened as RGB."""

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
        """Unique within the data set and the same on every machine."""

    def open(self) -> Image.Image:
        """The picture in mode RGB."""

    def state(self) -> str:
        """Another text once the pixels may have changed; nothing is decoded for it."""


@dataclass(frozen=True)
class FilePicture:
    """A picture in a file, or the part of it inside ``box``, which may reach over the edges."""

    name: str
    path: Path
    box: Box | None = None

    def open(self) -> Image.Image:
        """Decode the file, whatever its name ends with; see :func:`~.modes.as_rgb`.

        Raises:
            FileNotFoundError: the file is not there.
            ValueError: the file cannot be decoded.
        """
        try:
            with Image.open(self.path) as image:
                rgb = as_rgb(image)
        except FileNotFoundError:
            raise
        except Exception as error:  # Pillow's decoders raise whatever their format's parser does
            raise ValueError(f"{self.path} is not a readable image: {error}") from error
        return rgb if self.box is None else rgb.crop(_inside(self.box, rgb.size))

    def state(self) -> str:
        """Length and time of change of the file, and the box."""
        facts = self.path.stat()
        return f"{facts.st_size} {facts.st_mtime_ns} {self.box}"


@dataclass(frozen=True, eq=False)
class ArrayPicture:
    """A picture held as an array, uint8 [H, W, 3]."""

    name: str
    pixels: NDArray[np.uint8]

    def open(self) -> Image.Image:
        """The array as an image."""
        return Image.fromarray(np.ascontiguousarray(self.pixels))

    def state(self) -> str:
        """A digest of the pixels."""
        return f"{self.pixels.shape} {sha256(self.pixels.tobytes()).hexdigest()}"


def _inside(box: Box, size: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])


def is_grey(picture: Picture) -> bool:
    """Whether the red, green and blue of every pixel are equal."""
    pixels = np.asarray(picture.open())
    return bool((pixels == pixels[..., :1]).all())
