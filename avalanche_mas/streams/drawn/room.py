"""A room in perspective, and the flat and solid things in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avalanche_mas.streams.drawn.canvas import Canvas
from avalanche_mas.streams.drawn.colours import WHITE, Colour, any_colour, hsv, shade
from avalanche_mas.streams.drawn.shapes import ellipse


@dataclass(frozen=True)
class Room:
    """A room 2 wide (x from -1 to 1), 1.5 high (y upwards) and `depth` deep (z), seen by a camera.

    Attributes:
        view: the canvas that it is drawn on.
        rng: the source of the furniture's variations.
        depth: the distance of the back wall.
        eye: x and y of the camera, which stands 1.2 in front of z = 0.
    """

    view: Canvas
    rng: np.random.Generator
    depth: float
    eye: tuple[float, float]

    def colour(self) -> Colour:
        """Pick a colour for a piece of furniture."""
        return any_colour(self.rng, (0.1, 0.75), (0.25, 0.95))

    def wood(self) -> Colour:
        """Pick a colour of wood, or of painted wood."""
        return hsv(
            self.rng.normal(0.08, 0.03), self.rng.uniform(0.1, 0.7), self.rng.uniform(0.3, 0.9)
        )

    def face(self, corners: ArrayLike, colour: Colour) -> None:
        """Fill a polygon [n, 3] in space."""
        x, y, z = np.asarray(corners, dtype=np.float64).T
        away = 1.3 / (z + 1.2)
        flat = np.column_stack([(x - self.eye[0]) * away, -(y - self.eye[1]) * away])
        self.view.fill(flat, colour)

    def back(self, x0: float, x1: float, y0: float, y1: float, z: float, colour: Colour) -> None:
        """Fill an upright rectangle facing the camera."""
        self.face([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]], colour)

    def side(self, x: float, z0: float, z1: float, y0: float, y1: float, colour: Colour) -> None:
        """Fill an upright rectangle parallel to the side walls."""
        self.face([[x, y0, z0], [x, y0, z1], [x, y1, z1], [x, y1, z0]], colour)

    def flat(self, x0: float, x1: float, z0: float, z1: float, y: float, colour: Colour) -> None:
        """Fill a level rectangle."""
        self.face([[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]], colour)

    def round(self, x: float, y: float, z: float, r: float, colour: Colour) -> None:
        """Fill an upright disc facing the camera."""
        rim = ellipse(x, y, r, r, 18)
        self.face(np.column_stack([rim, np.full(len(rim), z)]), colour)

    def block(
        self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], colour: Colour
    ) -> None:
        """Draw the visible faces of a box."""
        if y[1] < self.eye[1]:
            self.flat(*x, *z, y[1], shade(colour, 1.15))
        if y[0] > self.eye[1]:
            self.flat(*x, *z, y[0], shade(colour, 0.5))
        if x[0] > self.eye[0]:
            self.side(x[0], *z, *y, shade(colour, 0.72))
        if x[1] < self.eye[0]:
            self.side(x[1], *z, *y, shade(colour, 0.72))
        self.back(*x, *y, z[0], colour)

    def shell(self) -> None:
        """Draw floor, ceiling and walls."""
        wall = any_colour(self.rng, (0.03, 0.45), (0.5, 0.95))
        floor = hsv(
            self.rng.normal(0.08, 0.05), self.rng.uniform(0.1, 0.6), self.rng.uniform(0.3, 0.8)
        )
        self.flat(-1, 1, -0.9, self.depth, 0, floor)
        for z in np.linspace(-0.6, self.depth, 6):
            self.flat(-1, 1, z, z + 0.02, 0, shade(floor, 0.85))
        self.flat(-1, 1, -0.9, self.depth, 1.5, shade(wall, 1.5))
        self.side(-1, -0.9, self.depth, 0, 1.5, shade(wall, 0.88))
        self.side(1, -0.9, self.depth, 0, 1.5, shade(wall, 0.78))
        self.back(-1, 1, 0, 1.5, self.depth, wall)

    def window(self, x: float, y: float, w: float, h: float) -> None:
        """Put a window into the back wall."""
        z = self.depth
        self.back(x - w, x + w, y - h, y + h, z, WHITE)
        sky = hsv(0.57, self.rng.uniform(0.1, 0.5), self.rng.uniform(0.8, 1.0))
        for x0, x1 in ((x - 0.88 * w, x - 0.06 * w), (x + 0.06 * w, x + 0.88 * w)):
            self.back(x0, x1, y - 0.85 * h, y + 0.85 * h, z, sky)

    def picture(self, x: float, y: float, w: float, h: float) -> None:
        """Hang a picture on the back wall."""
        self.back(x - w, x + w, y - h, y + h, self.depth, shade(self.wood(), 0.6))
        self.back(x - 0.8 * w, x + 0.8 * w, y - 0.75 * h, y + 0.75 * h, self.depth, self.colour())

    def table(
        self, x: tuple[float, float], y: float, z: tuple[float, float], colour: Colour
    ) -> None:
        """Put down a table of height `y`."""
        for depth in (z[1] - 0.05, z[0]):
            for left in (x[0], x[1] - 0.05):
                leg = (left, left + 0.05), (0.0, y), (depth, depth + 0.05)
                self.block(*leg, shade(colour, 0.55))
        self.block(x, (y - 0.05, y), z, colour)
