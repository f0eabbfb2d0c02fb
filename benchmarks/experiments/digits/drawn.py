"""Digits drawn by code in the format of MNIST: the default data, with nothing to download."""

from __future__ import annotations

import numpy as np

from avalanche_mas.streams.drawn import FONTS, Canvas, font
from benchmarks.experiments.digits.parts import PARTS, Digits, DigitSet

PER_DIGIT = {"train": 200, "valid": 50, "test": 100}
"""Images per digit in each part."""

_SHARPER = 4
_WHITE = (255, 255, 255)


def draw_digits(side: int) -> Digits:
    """Draw all digits, `side` pixels high and wide; they are the same every time.

    Each image has its own random generator, seeded with its part, digit and number.
    """
    parts = {part: _draw(part, side) for part in PARTS}
    return Digits(parts, source="drawn", stand_in=False, complete=False, agreement="drawn")


def _draw(part: str, side: int) -> DigitSet:
    labels = np.tile(np.arange(10, dtype=np.int64), PER_DIGIT[part])
    keys = [(PARTS.index(part), int(digit), i // 10) for i, digit in enumerate(labels)]
    return DigitSet(np.stack([_picture(key, side) for key in keys]), labels)


def _picture(
    key: tuple[int, int, int], side: int
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Draw one digit with random font, slant, width, position and brightness."""
    rng = np.random.default_rng(key)
    canvas = Canvas.blank(side * _SHARPER)
    view = canvas.at(
        rng.uniform(-0.12, 0.12, 2),
        rng.uniform(0.5, 0.75),
        rng.normal(0, 0.12),
        stretch=(rng.uniform(0.7, 1.2), 1),
        shear=rng.normal(0, 0.15),
    )
    view.glyph(str(key[1]), font(str(rng.choice(FONTS))), _WHITE)
    canvas.blur(rng.uniform(0.0, 0.05))
    grey = np.asarray(canvas.image.reduce(_SHARPER).convert("L"), dtype=np.float64)
    lit = grey * rng.uniform(0.7, 1.0) + rng.normal(0, 6, grey.shape)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)
