"""Birds: ten kinds on a branch, told apart by beak, tail, crest and the patches of the plumage."""

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
from avalanche_mas.streams.drawn.shapes import ellipse, jitter, smooth

Outline = tuple[tuple[float, float], ...]

# Beaks start at the origin, on the face, and point to the right.
# fmt: off
BEAKS: dict[str, Outline] = {
    "cone": ((-0.04, -0.11), (0.2, 0.02), (-0.04, 0.11)),
    "thin": ((-0.04, -0.04), (0.22, 0.02), (-0.04, 0.05)),
    "needle": ((-0.04, -0.035), (0.48, -0.02), (0.48, 0.01), (-0.04, 0.05)),
    "dagger": ((-0.04, -0.08), (0.38, 0.02), (-0.04, 0.08)),
    "hook": ((-0.06, -0.15), (0.12, -0.17), (0.24, 0.0), (0.15, 0.24), (0.1, 0.07), (-0.06, 0.13)),
    "huge": ((-0.06, -0.18), (0.3, -0.26), (0.62, -0.05), (0.56, 0.24), (0.34, 0.06), (-0.06, 0.16)),
}
# fmt: on
# Tails start at the origin, on the rump, and point to the left.
TAILS: dict[str, Outline] = {
    "short": ((0.1, -0.1), (-0.32, 0.0), (-0.34, 0.12), (0.1, 0.12)),
    "long": ((0.1, -0.1), (-0.66, 0.2), (-0.65, 0.34), (0.1, 0.14)),
    "fork": ((0.1, -0.1), (-0.66, -0.02), (-0.28, 0.12), (-0.58, 0.32), (0.1, 0.14)),
    "cocked": ((0.14, -0.02), (-0.3, -0.5), (-0.14, -0.56), (0.22, -0.06)),
}


@dataclass(frozen=True)
class Species:
    """The features that tell one bird from the others."""

    beak: str = "thin"
    tail: str = "short"
    crest: bool = False
    mask: bool = False
    cap: bool = False
    breast: bool = False
    bars: int = 0
    wing_patch: bool = False
    stout: float = 1.0


SPECIES = {
    "cardinal": Species(beak="cone", tail="long", crest=True, mask=True),
    "chickadee": Species(beak="thin", tail="short", cap=True, mask=True, stout=1.1),
    "finch": Species(beak="cone", tail="short", bars=2),
    "hummingbird": Species(beak="needle", tail="short", stout=0.72),
    "magpie": Species(beak="dagger", tail="long", wing_patch=True, cap=True),
    "parrot": Species(beak="hook", tail="long"),
    "robin": Species(beak="thin", tail="short", breast=True),
    "swallow": Species(beak="thin", tail="fork", breast=True, stout=0.8),
    "toucan": Species(beak="huge", tail="short", breast=True),
    "wren": Species(beak="thin", tail="cocked", bars=3),
}
CLASSES = tuple(SPECIES)


def paint(canvas: Canvas, rng: np.random.Generator, label: int) -> None:
    """Draw one bird of class `label`, facing either way."""
    _tree(canvas, rng)
    mirror = float(rng.choice([-1, 1]))
    view = canvas.at(
        (rng.uniform(-0.08, 0.08) - 0.06 * mirror, rng.uniform(-0.06, 0.12)),
        rng.uniform(0.82, 0.98),
        rng.normal(0, 0.1),
        stretch=(mirror, 1),
    )
    _bird(view, rng, SPECIES[CLASSES[label]])


def _tree(canvas: Canvas, rng: np.random.Generator) -> None:
    sky = _air(rng)
    canvas.texture(mottled(rng, sky, 20.0))
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(-1, 1, 2)
        leaf = hsv(rng.uniform(0.2, 0.42), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7))
        canvas.disc(x, y, rng.uniform(0.15, 0.4), clear(leaf, 0.7))
    canvas.blur(0.05)


def _air(rng: np.random.Generator) -> Colour:
    """Return the colour of the background: sky or leaves."""
    if rng.uniform() < 0.5:
        return sky_colour(rng)
    return hsv(rng.uniform(0.13, 0.45), rng.uniform(0.15, 0.5), rng.uniform(0.45, 0.85))


def _bird(view: Canvas, rng: np.random.Generator, kind: Species) -> None:
    colour = any_colour(rng, (0.15, 0.9), (0.35, 0.95))
    patch = _unlike(rng, colour)
    dark = shade(colour, 0.62)
    _perch(view, rng)
    back, chest = [[-0.6, 0.02], [-0.1, -0.3], [0.2, -0.5]], [[0.5, -0.1], [0.42, 0.28]]
    body = jitter(rng, [*chest, [0.1, 0.48], [-0.35, 0.3], *back], 0.015) * [1, kind.stout]
    view.at((-0.46, 0.06)).fill(jitter(rng, TAILS[kind.tail], 0.012), dark, shade(dark, 0.6))
    view.fill(smooth(body), colour)
    belly = smooth([[0.48, -0.05], [0.42, 0.28], [0.1, 0.46], [-0.3, 0.3], [0.15, 0.1]])
    view.fill(belly * [1, kind.stout], patch if kind.breast else shade(colour, 1.3))
    _wing(view, rng, kind, dark)
    _head(view.at((0.36, -0.36)), rng, kind, colour, patch)


def _unlike(rng: np.random.Generator, colour: Colour) -> Colour:
    """Return a colour that stands out from the plumage."""
    while True:
        other = any_colour(rng, (0.3, 1.0), (0.3, 1.0))
        if sum(abs(a - b) for a, b in zip(other[:3], colour[:3], strict=True)) > 200:
            return other


def _perch(view: Canvas, rng: np.random.Generator) -> None:
    bark = hsv(rng.normal(0.07, 0.02), rng.uniform(0.2, 0.6), rng.uniform(0.2, 0.5))
    slope = rng.uniform(-0.12, 0.12)
    for x in (0.0, 0.16):
        view.line([[x, 0.35], [x + 0.04, 0.68]], 0.035, INK)
    view.limb([-1.6, 0.7 + slope], [1.6, 0.7 - slope], rng.uniform(0.08, 0.16), bark)


def _wing(view: Canvas, rng: np.random.Generator, kind: Species, dark: Colour) -> None:
    reach = 0.12 if kind.tail == "fork" else 0.0
    tip = [-0.62 - 2 * reach, 0.2]
    outline = smooth([[0.3, -0.12], [0.22, 0.16], [-0.1, 0.24], tip, [-0.2, -0.14], [0.1, -0.24]])
    wing = view.at((0, 0.02), rng.uniform(0.95, 1.05), rng.normal(0, 0.05), (1, kind.stout))
    wing.fill(outline, dark, shade(dark, 0.65))
    if kind.wing_patch:
        wing.fill(smooth([[0.2, -0.1], [0.1, 0.14], [-0.25, 0.14], [-0.1, -0.1]]), WHITE)
    for i in range(kind.bars):
        x = 0.14 - 0.2 * i
        wing.limb([x, -0.12], [x - 0.08, 0.14], 0.05, WHITE)
    if not kind.bars and not kind.wing_patch:
        for y in (0.04, 0.12):
            wing.line([[0.0, y], [-0.4, y + 0.06]], 0.02, shade(dark, 0.65))


def _head(
    view: Canvas, rng: np.random.Generator, kind: Species, colour: Colour, patch: Colour
) -> None:
    if kind.crest:
        view.fill([[-0.22, 0.0], [-0.3, -0.46], [0.0, -0.26], [0.14, -0.15]], colour)
    bill = patch if kind.beak == "huge" else hsv(0.1, rng.uniform(0, 0.9), 0.75)
    beak = view.at((0.2, -0.02), rng.uniform(0.9, 1.1))
    bent = kind.beak in ("hook", "huge")
    beak.fill(smooth(BEAKS[kind.beak], times=2 if bent else 0), bill, shade(bill, 0.5))
    view.disc(0, 0, 0.25, colour)
    if kind.cap:
        view.fill(np.array(ellipse(0, 0, 0.255, 0.255))[13:28], INK)
    if kind.mask:
        view.fill(smooth([[0.26, -0.06], [0.26, 0.1], [0.08, 0.22], [0.02, 0.02]]), INK)
    view.disc(0.09, -0.05, 0.06, WHITE)
    view.disc(0.1, -0.05, 0.037, INK)
