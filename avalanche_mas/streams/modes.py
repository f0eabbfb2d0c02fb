"""From any mode in which a picture may be stored to 8-bit RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image

WHITE = 65535
"""The brightest value of a 16-bit pixel."""


def as_rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB; what is transparent shows white.

    Grey, palette and CMYK pictures are converted; 16-bit grey is scaled to 8 bits, not cut off. The
    orientation that a camera may have noted (EXIF) is not applied: the official boxes count the
    pixels as they are stored, and so do torchvision's loaders.

    Raises:
        ValueError: the range of the pixels' values is not known.
    """
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range is not known")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey, which Pillow keeps in 16 or 32 bits, scaled to 8 and rounded."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > WHITE:
        raise ValueError(f"its grey values reach from {values.min()} to {values.max()}")
    return Image.fromarray(((255 * values + WHITE // 2) // WHITE).astype(np.uint8))
