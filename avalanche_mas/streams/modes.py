"""Conversion of pictures stored in any mode to 8-bit RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image

WHITE = 65535
"""The brightest value of a 16-bit pixel."""


def as_rgb(image: Image.Image) -> Image.Image:
    """Return the picture in mode RGB; transparent areas become white.

    Grey, palette and CMYK pictures are converted; 16-bit grey is scaled to 8 bits, not clipped. The
    EXIF orientation is not applied: the official boxes refer to the pixels as stored, and
    torchvision's loaders ignore it too.

    Raises:
        ValueError: the range of the pixel values is unknown.
    """
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return 16-bit grey, which Pillow keeps in 16 or 32 bits, scaled to 8 bits and rounded."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > WHITE:
        raise ValueError(
            f"its grey values range from {values.min()} to {values.max()}, outside 0..{WHITE}"
        )
    return Image.fromarray(((255 * values + WHITE // 2) // WHITE).astype(np.uint8))
