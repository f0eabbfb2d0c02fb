"""House numbers: a digit on a plate or a wall, with its neighbours cut off at the sides."""

from __future__ import annotations

import numpy as np

from avalanche_mas.streams.drawn.canvas import Canvas
from avalanche_mas.streams.drawn.colours import (
    Colour,
    any_colour,
    clear,
    contrasting,
    mottled,
    shade,
)
from avalanche_mas.streams.drawn.fonts import FONTS, font

CLASSES = tuple("0123456789")


def paint(canvas: Canvas, rng: np.random.Generator, label: int) -> None:
    """Draw the digit `label` among others, slightly blurred, as a street camera sees it."""
    ground = any_colour(rng, (0.05, 0.7), (0.15, 0.95))
    canvas.texture(mottled(rng, ground, 12.0))
    view = canvas.at(
        rng.uniform(-0.08, 0.08, 2),
        rng.uniform(0.68, 0.88),
        rng.normal(0, 0.06),
        stretch=(rng.uniform(0.7, 0.95), 1),
        shear=rng.normal(0, 0.06),
    )
    if rng.uniform() < 0.6:
        ground = _plate(view, rng, ground)
    else:
        _bricks(view, ground)
    ink, face = contrasting(rng, ground, 0.28), font(str(rng.choice(FONTS)))
    gap = rng.uniform(1.3, 1.65)
    places = [(-gap, rng.uniform() < 0.7), (gap, rng.uniform() < 0.7), (0.0, True)]
    for x, present in places:
        digit = label if x == 0 else int(rng.integers(10))
        if present:
            view.at((x + 0.06, 0.06)).glyph(str(digit), face, shade(ground, 0.6))
            view.at((x, 0)).glyph(str(digit), face, ink)
    canvas.blur(rng.uniform(0.0, 0.055))


def _plate(view: Canvas, rng: np.random.Generator, wall: Colour) -> Colour:
    plate = any_colour(rng, (0.0, 0.8), (0.15, 1.0))
    wide = rng.uniform(1.2, 3.5)
    view.box(-wide, -1.3, wide, 1.3, shade(wall, 0.5))
    view.box(-wide + 0.05, -1.25, wide - 0.05, 1.2, plate)
    for x in (-wide + 0.2, wide - 0.2):
        view.disc(x, -1.05, 0.07, shade(plate, 0.5))
    return plate


def _bricks(view: Canvas, wall: Colour) -> None:
    mortar = clear(shade(wall, 1.25), 0.6)
    for row, y in enumerate(np.arange(-2.1, 2.1, 0.42)):
        view.box(-4, y, 4, y + 0.05, mortar)
        for x in np.arange(-2.7 + 0.45 * (row % 2), 2.7, 0.9):
            view.box(x, y, x + 0.05, y + 0.42, mortar)
