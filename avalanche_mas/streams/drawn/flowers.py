"""Flowers: ten kinds, told apart by the number, shape and order of their petals, and by the centre."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from avalanche_mas.streams.drawn.canvas import Canvas
from avalanche_mas.streams.drawn.colours import Colour, any_colour, blend, hsv, mottled, shade
from avalanche_mas.streams.drawn.shapes import arc, jitter, smooth, symmetric

# Right half of a petal from its base at the origin to its tip at (0, -1).
NARROW = ((0.03, 0), (0.12, -0.5), (0.15, -0.9), (0.06, -1.04), (0, -1.0))
POINTED = ((0.05, 0), (0.28, -0.35), (0.22, -0.7), (0.02, -1.05), (0, -1.05))
ROUND = ((0.04, 0), (0.34, -0.35), (0.52, -0.85), (0.2, -1.06), (0, -1.02))
NOTCHED = ((0.04, 0), (0.24, -0.45), (0.52, -0.95), (0.18, -1.12), (0, -0.82))
BROAD = ((0.1, 0), (0.72, -0.3), (0.95, -0.85), (0.4, -1.08), (0, -1.0))
LEAF = smooth(symmetric(NARROW))


@dataclass(frozen=True)
class Bloom:
    """A flower seen from above."""

    petals: int
    outline: tuple[tuple[float, float], ...]
    centre: float
    rows: int = 1
    stamens: int = 0
    dark_heart: bool = False


BLOOMS = {
    "buttercup": Bloom(5, ROUND, 0.16),
    "cosmos": Bloom(8, ROUND, 0.2),
    "daisy": Bloom(13, NARROW, 0.26),
    "lily": Bloom(6, POINTED, 0.08, stamens=6),
    "poppy": Bloom(4, BROAD, 0.14, stamens=11, dark_heart=True),
    "primrose": Bloom(5, NOTCHED, 0.16),
    "sunflower": Bloom(15, POINTED, 0.46, rows=2),
}
CLASSES = (*BLOOMS, "bluebell", "rose", "tulip")


def paint(canvas: Canvas, rng: np.random.Generator, label: int) -> None:
    """Draw one flower of class `label` in front of blurred leaves."""
    _garden(canvas, rng)
    hue = rng.uniform(0.5, 1.17)  # any but that of the leaves
    colour = hsv(hue, rng.uniform(0.25, 0.85), rng.uniform(0.7, 1.0))
    view = canvas.at(rng.uniform(-0.14, 0.14, 2), rng.uniform(0.62, 0.9), rng.uniform(-0.3, 0.3))
    name = CLASSES[label]
    if name in BLOOMS:
        _bloom(view, rng, BLOOMS[name], colour)
    else:
        {"bluebell": _bluebell, "rose": _rose, "tulip": _tulip}[name](view, rng, colour)


def _garden(canvas: Canvas, rng: np.random.Generator) -> None:
    ground = hsv(rng.uniform(0.2, 0.45), rng.uniform(0.25, 0.7), rng.uniform(0.2, 0.6))
    canvas.texture(mottled(rng, ground, 22.0))
    for _ in range(7):
        leaf = canvas.at(rng.uniform(-1, 1, 2), rng.uniform(0.4, 0.9), rng.uniform(0, 6.3))
        leaf.fill(LEAF, shade(ground, rng.uniform(0.6, 1.3)))
    canvas.blur(0.03)


def _bloom(view: Canvas, rng: np.random.Generator, kind: Bloom, colour: Colour) -> None:
    outline = smooth(symmetric(jitter(rng, kind.outline, 0.012) * [rng.uniform(0.9, 1.1), 1]))
    tip = blend(colour, any_colour(rng), 0.25)
    tilted = view.at(stretch=(1.0, rng.uniform(0.75, 1.0)))
    start = rng.uniform(0, 2 * math.pi)
    for row in range(kind.rows):
        turn = start + row * math.pi / kind.petals
        for i in range(kind.petals):
            angle = turn + 2 * math.pi * i / kind.petals + rng.normal(0, 0.04)
            petal = tilted.at(scale=rng.uniform(0.93, 1.05) * (1 - 0.12 * row), angle=angle)
            tone = shade(colour, rng.uniform(0.82, 1.1))
            petal.fill(outline, tone, shade(tone, 0.6), 0.025)
            petal.fill(outline * [0.55, 0.72], blend(tone, tip, 0.6))
            petal.line([(0.0, 0.0), (0.0, -0.75)], 0.02, shade(tone, 0.75))
    _centre(tilted, rng, kind)


def _centre(view: Canvas, rng: np.random.Generator, kind: Bloom) -> None:
    heart = hsv(rng.uniform(0.06, 0.16), rng.uniform(0.6, 1.0), rng.uniform(0.3, 1.0))
    if kind.dark_heart:
        heart = shade(heart, 0.3)
        view.disc(0, 0, 0.3, heart)
    for angle in np.linspace(0, 2 * math.pi, kind.stamens, endpoint=False):
        end = 0.45 * np.array([math.cos(angle), math.sin(angle)])
        view.line(np.stack([np.zeros(2), end]), 0.03, shade(heart, 1.3))
        view.disc(end[0], end[1], 0.055, shade(heart, 0.55))
    view.disc(0, 0, kind.centre, heart, edge=shade(heart, 0.6), width=0.03)
    for i in range(int(90 * kind.centre)):  # florets on a sunflower's spiral
        r, angle = kind.centre * math.sqrt(i / (90 * kind.centre)), 2.4 * i
        view.disc(r * math.cos(angle), r * math.sin(angle), 0.022, shade(heart, 0.7))


def _green(rng: np.random.Generator) -> Colour:
    """Return the colour of a stem."""
    return hsv(rng.uniform(0.22, 0.4), rng.uniform(0.4, 0.8), rng.uniform(0.35, 0.75))


def _stem(view: Canvas, rng: np.random.Generator, top: float) -> None:
    green = _green(rng)
    sway = rng.uniform(-0.25, 0.25)
    view.line(smooth([[0, top], [0, 0.6], [sway, 1.8]], closed=False), 0.09, green)
    leaf = view.at((sway / 2, 1.15), 0.8, rng.choice([-0.5, 0.5]))
    leaf.fill(LEAF, shade(green, 0.85), shade(green, 0.6))


def _tulip(view: Canvas, rng: np.random.Generator, colour: Colour) -> None:
    _stem(view, rng, 0.2)
    wide = rng.uniform(0.85, 1.1)
    back = smooth([[-0.3, 0.2], [-0.45, -0.75], [0, -1.0], [0.45, -0.75], [0.3, 0.2]])
    view.fill(back * [wide, 1], shade(colour, 0.7))
    side = smooth([[0.02, 0.45], [0.72, 0.35], [0.62, -0.4], [0.5, -1.15], [0.2, -0.4]])
    for mirror in (-1, 1):
        tone = shade(colour, rng.uniform(0.85, 1.0))
        view.fill(side * [wide * mirror, 1], tone, shade(tone, 0.65), 0.025)
    front = smooth(symmetric([[0.1, 0.5], [0.5, 0.3], [0.42, -0.35], [0.1, -0.85], [0, -0.9]]))
    view.fill(front * [wide, 1], shade(colour, 1.1), shade(colour, 0.65), 0.025)


def _bluebell(view: Canvas, rng: np.random.Generator, colour: Colour) -> None:
    green = _green(rng)
    bend = smooth([[-0.75, 1.6], [-0.75, 0], [-0.45, -1.0], [0.3, -1.1], [0.75, -0.6]], False)
    view.line(bend, 0.07, green)
    half = jitter(rng, [[0.05, -0.1], [0.26, 0], [0.26, 0.4], [0.5, 0.72], [0.2, 0.6]], 0.012)
    bell = smooth(symmetric([*half, [0.0, 0.78]]), times=2)
    places = ((-0.42, -0.75), (0.2, -0.95), (0.62, -0.5))
    for x, y in places:
        hanging = view.at((x, y), rng.uniform(0.85, 1.05), rng.normal(-0.1, 0.12))
        tone = shade(colour, rng.uniform(0.85, 1.1))
        hanging.fill(bell, tone, shade(tone, 0.6), 0.025)
        hanging.line([[0, 0.05], [0, 0.65]], 0.03, shade(tone, 0.75))


def _rose(view: Canvas, rng: np.random.Generator, colour: Colour) -> None:
    turn = rng.uniform(0, 6.3)
    for ring, radius in enumerate((0.98, 0.78, 0.58, 0.4, 0.24)):
        count = 6 - ring
        for i in range(count):
            angle = turn + 0.7 * ring + 2 * math.pi * i / count + rng.normal(0, 0.08)
            tone = shade(colour, rng.uniform(0.8, 0.95) + 0.05 * ring)
            whorl = view.at(scale=radius, angle=angle)
            whorl.fill(smooth(arc(0, -0.32, 0.62, 0.66, 0, 6.0, 9), times=2), tone)
            whorl.line(arc(0, -0.32, 0.6, 0.64, -2.8, -0.35), 0.06, shade(tone, 0.6))
    view.disc(0, 0, 0.09, shade(colour, 0.5))
