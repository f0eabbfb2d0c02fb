"""Aircraft: ten kinds seen from below, told apart by wings, tail and engines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avalanche_mas.streams.drawn.canvas import Canvas
from avalanche_mas.streams.drawn.colours import (
    INK,
    WHITE,
    Colour,
    any_colour,
    blend,
    clear,
    contrasting,
    mottled,
    shade,
    sky_colour,
)
from avalanche_mas.streams.drawn.shapes import smooth, symmetric


@dataclass(frozen=True)
class Plane:
    """An aircraft that flies up the page, 2 long.

    Attributes:
        span: half the wing span.
        root: y of the wing's leading and trailing edge at the fuselage.
        tip: the same at the wing tip.
        girth: half width of the fuselage.
        tail: half span, leading edge, sweep and chord of the tailplane; span 0: no tailplane.
        jets: positions (x, y) of the jet engines on the right side or the axis.
        propellers: positions of the propellers, likewise.
    """

    span: float
    root: tuple[float, float]
    tip: tuple[float, float]
    girth: float
    tail: tuple[float, float, float, float]
    jets: tuple[tuple[float, float], ...] = ()
    propellers: tuple[tuple[float, float], ...] = ()


# fmt: off
PLANES = {
    "delta": Plane(0.62, (-0.45, 0.8), (0.68, 0.8), 0.09, (0, 0, 0, 0), ((0.24, 0.72),)),
    "fighter": Plane(0.7, (-0.2, 0.4), (0.3, 0.45), 0.13, (0.45, 0.55, 0.22, 0.3), ((0.07, 0.86),)),
    "four jet": Plane(
        0.95, (-0.3, 0.12), (0.25, 0.36), 0.11, (0.36, 0.68, 0.16, 0.18),
        ((0.36, -0.12), (0.64, 0.06)),
    ),
    "four prop": Plane(
        0.95, (-0.25, 0.05), (-0.2, -0.02), 0.12, (0.38, 0.7, 0.03, 0.17),
        propellers=((0.34, -0.28), (0.62, -0.26)),
    ),
    "glider": Plane(1.15, (-0.25, -0.07), (-0.2, -0.12), 0.06, (0.26, 0.75, 0.02, 0.1)),
    "light plane": Plane(
        0.9, (-0.38, -0.06), (-0.36, -0.08), 0.1, (0.34, 0.68, 0.04, 0.18),
        propellers=((0, -0.86),),
    ),
    "rear jet": Plane(
        0.72, (-0.08, 0.24), (0.32, 0.44), 0.09, (0.32, 0.78, 0.1, 0.16), ((0.19, 0.5),),
    ),
    "three jet": Plane(
        0.85, (-0.22, 0.16), (0.28, 0.4), 0.11, (0.36, 0.66, 0.16, 0.18),
        ((0.36, -0.06), (0, 0.88)),
    ),
    "twin jet": Plane(
        0.88, (-0.22, 0.16), (0.26, 0.38), 0.11, (0.36, 0.7, 0.14, 0.18), ((0.36, -0.06),),
    ),
    "twin prop": Plane(
        0.9, (-0.2, 0.06), (-0.15, 0.0), 0.1, (0.34, 0.74, 0.03, 0.16),
        propellers=((0.36, -0.26),),
    ),
}
# fmt: on
CLASSES = tuple(PLANES)


def paint(canvas: Canvas, rng: np.random.Generator, label: int) -> None:
    """Draw one aircraft of class `label` above the viewer, on any heading in the upper third."""
    sky = _sky(canvas, rng)
    colour = contrasting(rng, sky, 0.25, (0.0, 0.35), (0.3, 1.0))
    angle, squeeze = rng.uniform(-0.55, 0.55), rng.uniform(0.85, 1.0)
    view = canvas.at(rng.uniform(-0.08, 0.08, 2), rng.uniform(0.82, 0.98), angle).at(
        stretch=(squeeze, rng.uniform(0.85, 1.0)), shear=rng.normal(0, 0.08)
    )
    _plane(view, rng, PLANES[CLASSES[label]], colour)


def _sky(canvas: Canvas, rng: np.random.Generator) -> Colour:
    sky = shade(sky_colour(rng), rng.uniform(0.55, 0.95))
    canvas.texture(mottled(rng, sky, 10.0))
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(-1, 1, 2)
        for _ in range(4):
            puff = canvas.at((x + rng.normal(0, 0.2), y + rng.normal(0, 0.07)))
            puff.disc(0, 0, rng.uniform(0.15, 0.3), clear(blend(sky, WHITE, 0.7), 0.6), 0.6)
    canvas.blur(0.05)
    return sky


def _plane(view: Canvas, rng: np.random.Generator, plane: Plane, colour: Colour) -> None:
    wing, edge = shade(colour, 0.85), shade(colour, 0.5)
    accent = any_colour(rng, (0.4, 1.0), (0.3, 0.9))
    root = np.array(plane.root) + rng.normal(0, 0.015)
    tip = np.array(plane.tip) + rng.normal(0, 0.02)
    span = plane.span * rng.uniform(0.95, 1.05)
    for x, y in _both_sides(plane.jets):
        _jet(view.at((x, y)), edge)
    half = [[0, root[0]], [span, tip[0]], [span, tip[1]], [0.12, root[1]], [0, root[1]]]
    view.fill(symmetric(half), wing, edge)
    high, chord = plane.tail[1], plane.tail[3]
    if plane.tail[0]:
        reach, sweep = plane.tail[0], plane.tail[2]
        fin = [
            [0, high],
            [reach, high + sweep],
            [reach, high + sweep + 0.6 * chord],
            [0, high + chord],
        ]
        view.fill(symmetric(fin), wing, edge)
    for x, y in _both_sides(plane.propellers):
        _propeller(view.at((x, y)), edge)
    _fuselage(view, plane, colour, accent)


def _both_sides(places: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    return [(side * x, y) for x, y in places for side in ((-1, 1) if x else (1,))]


def _jet(view: Canvas, colour: Colour) -> None:
    view.fill(smooth(symmetric([[0.075, -0.17], [0.095, 0], [0.05, 0.2]])), colour, INK)


def _propeller(view: Canvas, colour: Colour) -> None:
    view.fill(smooth(symmetric([[0.045, 0.0], [0.06, 0.1], [0.03, 0.4]])), colour)
    view.disc(0, 0, 0.17, clear(INK, 0.55), 0.16)


def _fuselage(view: Canvas, plane: Plane, colour: Colour, accent: Colour) -> None:
    g = plane.girth
    half = [[0, -1.0], [0.7 * g, -0.95], [g, -0.75], [g, 0.4], [0.45 * g, 0.9], [0, 1.0]]
    view.fill(smooth(symmetric(half), times=2), colour, shade(colour, 0.5))
    view.fill(smooth(symmetric([[0.4 * g, -0.9], [0.6 * g, -0.8], [0.3 * g, -0.76]])), INK)
    view.limb([0, 0.62], [0, 0.98], 0.06, accent)
