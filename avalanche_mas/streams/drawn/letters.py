"""Letters: twelve capitals in several fonts, slants and weights, on textured backgrounds."""

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

CLASSES = ("A", "B", "E", "F", "G", "H", "K", "M", "N", "P", "R", "S")


def paint(canvas: Canvas, rng: np.random.Generator, label: int) -> None:
    """Draw one letter of class `label` in a random font and slant on a random background."""
    ground = any_colour(rng, (0.05, 0.8), (0.15, 0.95))
    canvas.texture(mottled(rng, ground, 16.0, int(rng.integers(3, 12))))
    _pattern(canvas, rng, ground)
    view = canvas.at(
        rng.uniform(-0.16, 0.16, 2),
        rng.uniform(0.58, 0.82),
        rng.normal(0, 0.13),
        stretch=(rng.uniform(0.75, 1.2), 1),
        shear=rng.normal(0, 0.13),
    )
    face = font(str(rng.choice(FONTS)))
    ink = contrasting(rng, ground, 0.32)
    hollow = rng.uniform() < 0.25
    if not hollow and rng.uniform() < 0.5:
        view.at((0.09, 0.09)).glyph(CLASSES[label], face, shade(ground, 0.45))
    view.glyph(CLASSES[label], face, ink, hollow)


def _pattern(canvas: Canvas, rng: np.random.Generator, ground: Colour) -> None:
    """Cover the background with planks, tiles, dots or nothing."""
    tone = clear(shade(ground, rng.choice([0.7, 1.2])), 0.7)
    turned = canvas.at(angle=rng.uniform(0, 3.2))
    kind = int(rng.integers(4))
    steps = np.arange(-1.6, 1.6, rng.uniform(0.2, 0.5))
    if kind == 0:
        for y in steps:
            turned.box(-2, y, 2, y + 0.07, tone)
    elif kind == 1:
        for y in steps:
            turned.box(-2, y, 2, y + 0.04, tone)
            turned.box(y, -2, y + 0.04, 2, tone)
    elif kind == 2:
        for x, y in rng.uniform(-1, 1, (25, 2)):
            canvas.disc(x, y, rng.uniform(0.03, 0.1), tone)
