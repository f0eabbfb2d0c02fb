"""Colours, and the effects of light and camera on them."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colour = tuple[int, int, int] | tuple[int, int, int, int]
"""Red, green, blue and, optionally, opacity; each in 0..255."""

WHITE: Colour = (245, 245, 240)
INK: Colour = (25, 25, 30)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return a colour from hue (wraps at 1), saturation and value (both clipped to [0, 1])."""
    s, v = min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0)
    r, g, b = colorsys.hsv_to_rgb(hue % 1.0, s, v)
    return round(255 * r), round(255 * g), round(255 * b)


def any_colour(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.35, 0.9),
    value: tuple[float, float] = (0.45, 0.95),
) -> Colour:
    """Return a colour of any hue."""
    return hsv(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value))


def shade(colour: Colour, factor: float) -> Colour:
    """Darken (factor below 1) or brighten (above 1, towards white) a colour."""
    r, g, b = colour[:3]
    if factor <= 1:
        return round(r * factor), round(g * factor), round(b * factor)
    return blend(colour, (255, 255, 255), min(factor - 1, 1.0))


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours; `share` is the fraction of the second."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(first[:3], second[:3], strict=True))
    return r, g, b


def clear(colour: Colour, opacity: float) -> Colour:
    """Return the colour with an opacity in [0, 1]."""
    r, g, b = colour[:3]
    return r, g, b, round(255 * opacity)


def brightness(colour: Colour) -> float:
    """Return the perceived brightness of a colour, in [0, 1]."""
    r, g, b = colour[:3]
    return (0.299 * r + 0.587 * g + 0.114 * b) / 255


def contrasting(
    rng: np.random.Generator,
    colour: Colour,
    least: float,
    saturation: tuple[float, float] = (0.0, 0.9),
    value: tuple[float, float] = (0.05, 1.0),
) -> Colour:
    """Return a random colour whose brightness differs from that of `colour` by at least `least`."""
    while True:
        other = any_colour(rng, saturation, value)
        if abs(brightness(other) - brightness(colour)) >= least:
            return other


def sky_colour(rng: np.random.Generator) -> Colour:
    """Return a colour of the sky: mostly blue or grey, sometimes a warm dusk."""
    if rng.uniform() < 0.25:
        return hsv(rng.uniform(-0.08, 0.12), rng.uniform(0.1, 0.4), rng.uniform(0.6, 0.95))
    return hsv(rng.uniform(0.52, 0.65), rng.uniform(0.05, 0.6), rng.uniform(0.5, 0.98))


def mottled(
    rng: np.random.Generator, colour: Colour, spread: float, cells: int = 5
) -> NDArray[np.float64]:
    """Return a pattern [cells, cells, 3] around a colour, for `Canvas.texture`."""
    light = rng.normal(0.0, spread, (cells, cells, 1))
    tint = rng.normal(0.0, spread / 3, (cells, cells, 3))
    pattern: NDArray[np.float64] = np.asarray(colour[:3], dtype=np.float64) + light + tint
    return pattern


def photograph(image: Image.Image, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shrink a drawing and light it: uneven light, exposure, a colour cast and sensor noise.

    Args:
        image: the RGB drawing; its side is a multiple of `size`.
        size: side of the picture, in pixels.
        rng: the source of light and noise.

    Returns:
        uint8 [size, size, 3].
    """
    small = np.asarray(image.reduce(image.width // size), dtype=np.float32)
    direction = rng.uniform(0, 2 * np.pi)
    strength, exposure, level = rng.uniform(0, 0.2), rng.uniform(0.8, 1.15), rng.uniform(1, 6)
    cast = rng.uniform(0.92, 1.08, 3).astype(np.float32)
    along = np.linspace(-1, 1, size, dtype=np.float32)
    slope = strength * (np.cos(direction) * along[None, :] + np.sin(direction) * along[:, None])
    noise = rng.standard_normal((size, size, 3), dtype=np.float32) * level
    lit = small * (exposure * (1 + slope))[:, :, None].astype(np.float32) * cast + noise
    picture: NDArray[np.uint8] = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    return picture
