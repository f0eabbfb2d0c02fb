"""Cars: ten bodies seen from the side, told apart by outline and windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avalanche_mas.streams.drawn.canvas import Canvas
from avalanche_mas.streams.drawn.colours import (
    INK,
    WHITE,
    Colour,
    any_colour,
    clear,
    hsv,
    mottled,
    shade,
    sky_colour,
)
from avalanche_mas.streams.drawn.shapes import arc, jitter, smooth

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Body:
    """A car that drives to the right; the road is at y = 0.45.

    Attributes:
        top: the outline from the tail over the roof to the nose.
        glass: the windows as one polygon; empty: an open car.
        pillars: x of the posts between the windows.
        doors: x of the gaps around the doors.
        wheels: x of the two axles.
        radius: radius of the wheels.
        sill: y of the lower edge.
    """

    top: Outline
    glass: Outline
    pillars: tuple[float, ...]
    doors: tuple[float, ...]
    wheels: tuple[float, float] = (-0.55, 0.55)
    radius: float = 0.17
    sill: float = 0.33


# fmt: off
BODIES = {
    "convertible": Body(
        ((-0.88, 0.2), (-0.86, -0.03), (-0.5, -0.08), (0.3, -0.06), (0.8, 0.02), (0.9, 0.2)), (),
        (), (-0.18, 0.22),
    ),
    "coupe": Body(
        ((-0.86, 0.2), (-0.86, -0.02), (-0.5, -0.16), (-0.2, -0.33), (0.05, -0.33),
         (0.42, -0.03), (0.82, 0.06), (0.9, 0.2)),
        ((-0.48, -0.06), (-0.18, -0.26), (0.03, -0.26), (0.28, -0.04)), (), (-0.22, 0.26),
    ),
    "hatchback": Body(
        ((-0.7, 0.2), (-0.72, -0.08), (-0.56, -0.4), (0.1, -0.42), (0.4, -0.08), (0.68, -0.02),
         (0.76, 0.2)),
        ((-0.56, -0.08), (-0.48, -0.32), (0.06, -0.34), (0.28, -0.08)), (-0.2,), (-0.2, 0.26),
        (-0.44, 0.46),
    ),
    "limousine": Body(
        ((-0.98, 0.2), (-0.98, -0.02), (-0.72, -0.06), (-0.58, -0.28), (0.35, -0.28),
         (0.55, -0.04), (0.92, 0.02), (0.98, 0.2)),
        ((-0.66, -0.05), (-0.55, -0.22), (0.32, -0.22), (0.46, -0.04)), (-0.4, -0.18, 0.04, 0.22),
        (-0.4, 0.04, 0.42), (-0.7, 0.7), 0.15,
    ),
    "minibus": Body(
        ((-0.84, 0.2), (-0.86, -0.5), (-0.78, -0.58), (0.58, -0.58), (0.76, -0.48), (0.86, 0.0),
         (0.88, 0.2)),
        ((-0.76, -0.1), (-0.76, -0.46), (0.6, -0.46), (0.74, -0.1)), (-0.48, -0.2, 0.08, 0.36),
        (-0.2, 0.36), (-0.52, 0.54),
    ),
    "pickup": Body(
        ((-0.94, 0.2), (-0.94, -0.06), (-0.2, -0.06), (-0.18, -0.4), (0.16, -0.42), (0.4, -0.1),
         (0.84, -0.06), (0.9, 0.2)),
        ((-0.12, -0.1), (-0.1, -0.33), (0.12, -0.34), (0.3, -0.1)), (), (-0.18, 0.28),
        (-0.58, 0.58), 0.19,
    ),
    "sedan": Body(
        ((-0.9, 0.2), (-0.9, -0.04), (-0.58, -0.1), (-0.38, -0.36), (0.12, -0.36), (0.4, -0.08),
         (0.84, 0.0), (0.92, 0.2)),
        ((-0.48, -0.08), (-0.33, -0.29), (0.08, -0.29), (0.29, -0.08)), (-0.1,),
        (-0.46, -0.1, 0.28),
    ),
    "SUV": Body(
        ((-0.8, 0.15), (-0.82, -0.1), (-0.74, -0.48), (0.16, -0.5), (0.4, -0.16), (0.78, -0.12),
         (0.84, 0.15)),
        ((-0.7, -0.14), (-0.64, -0.4), (0.12, -0.42), (0.3, -0.15)), (-0.42, -0.1),
        (-0.42, -0.1, 0.28), (-0.5, 0.52), 0.21, 0.28,
    ),
    "van": Body(
        ((-0.88, 0.2), (-0.9, -0.52), (-0.84, -0.6), (0.3, -0.6), (0.5, -0.5), (0.66, -0.14),
         (0.88, -0.04), (0.92, 0.2)),
        ((0.16, -0.14), (0.16, -0.44), (0.4, -0.44), (0.54, -0.14)), (), (0.1, 0.5), (-0.56, 0.58),
    ),
    "wagon": Body(
        ((-0.9, 0.2), (-0.92, -0.06), (-0.82, -0.36), (0.12, -0.38), (0.4, -0.08), (0.84, 0.0),
         (0.92, 0.2)),
        ((-0.8, -0.08), (-0.72, -0.3), (0.08, -0.31), (0.29, -0.08)), (-0.46, -0.1),
        (-0.46, -0.1, 0.28),
    ),
}
# fmt: on
CLASSES = tuple(BODIES)


def paint(canvas: Canvas, rng: np.random.Generator, label: int) -> None:
    """Draw one car of class `label`, driving either way."""
    view = canvas.at(
        rng.uniform(-0.06, 0.06, 2),
        rng.uniform(0.92, 1.04),
        rng.normal(0, 0.025),
        stretch=(float(rng.choice([-1, 1])) * rng.uniform(0.94, 1.0), 1),
        shear=rng.normal(0, 0.03),
    )
    _street(canvas, view, rng)
    _car(view, rng, BODIES[CLASSES[label]])


def _street(canvas: Canvas, view: Canvas, rng: np.random.Generator) -> None:
    canvas.texture(mottled(rng, sky_colour(rng), 12.0))
    horizon = rng.uniform(-0.05, 0.25)
    for _ in range(int(rng.integers(2, 6))):
        x, high, wide = rng.uniform(-1, 1), rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.35)
        tone = any_colour(rng, (0.05, 0.35), (0.4, 0.9))
        if rng.uniform() < 0.5:
            canvas.box(x - wide, horizon - high, x + wide, horizon, tone)
        else:
            canvas.disc(x, horizon, wide * 1.4, hsv(rng.uniform(0.2, 0.4), 0.5, 0.5), high)
    canvas.blur(0.03)
    grey = rng.uniform(0.25, 0.7)
    road = hsv(rng.uniform(), 0.1, grey)
    view.box(-3, horizon + 0.08, 3, 3, shade(road, 0.9))
    view.box(-3, 0.3, 3, 3, road)
    view.fill(
        smooth([[-1.0, 0.47], [0, 0.4], [1.0, 0.47], [0.9, 0.55], [-0.9, 0.55]]), clear(INK, 0.5)
    )


def _car(view: Canvas, rng: np.random.Generator, body: Body) -> None:
    paintwork = any_colour(rng, (0.0, 0.95), (0.25, 1.0))
    glass = hsv(rng.uniform(0.5, 0.62), rng.uniform(0.05, 0.4), rng.uniform(0.2, 0.95))
    top = smooth(jitter(rng, body.top, 0.012), closed=False, times=2)
    if not body.glass:
        _open_top(view, rng, glass)
    low = [[top[-1, 0], body.sill], [top[0, 0], body.sill]]
    view.fill(np.concatenate([top, low]), paintwork, shade(paintwork, 0.5))
    view.box(
        top[0, 0] + 0.02, body.sill - 0.1, top[-1, 0] - 0.02, body.sill, shade(paintwork, 0.65)
    )
    if body.glass:
        view.fill(body.glass, glass, shade(paintwork, 0.4))
        high = min(y for _, y in body.glass)
        low_edge = max(y for _, y in body.glass)
        for x in body.pillars:
            view.box(x - 0.02, high, x + 0.02, low_edge, shade(paintwork, 0.8))
    for x in body.doors:
        view.line([[x, -0.08], [x, body.sill - 0.03]], 0.015, shade(paintwork, 0.5))
        view.box(x - 0.12, 0.0, x - 0.05, 0.025, shade(paintwork, 0.4))
    view.box(top[-1, 0] - 0.08, 0.06, top[-1, 0] - 0.01, 0.14, hsv(0.15, 0.4, 1.0))
    view.box(top[0, 0] + 0.01, 0.04, top[0, 0] + 0.06, 0.14, hsv(0.0, 0.9, 0.8))
    for x in body.wheels:
        _wheel(view, x, body, paintwork)


def _open_top(view: Canvas, rng: np.random.Generator, glass: Colour) -> None:
    seat = any_colour(rng, (0.2, 0.8), (0.2, 0.7))
    for x in (-0.34, 0.0):
        view.limb([x, 0.0], [x - 0.06, -0.2], 0.14, seat)
    view.fill([[0.3, -0.05], [0.14, -0.34], [0.18, -0.34], [0.42, -0.05]], clear(glass, 0.7), INK)


def _wheel(view: Canvas, x: float, body: Body, paintwork: Colour) -> None:
    y = 0.45 - body.radius
    arch = arc(x, y, body.radius + 0.04, body.radius + 0.04, np.pi, 2 * np.pi)
    bottom = [[x + body.radius + 0.04, body.sill], [x - body.radius - 0.04, body.sill]]
    view.fill(np.concatenate([arch, bottom]), shade(paintwork, 0.25))
    view.disc(x, y, body.radius, INK)
    view.disc(x, y, body.radius * 0.6, shade(WHITE, 0.75))
    view.disc(x, y, body.radius * 0.25, shade(WHITE, 0.4))
