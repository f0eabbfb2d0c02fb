"""A canvas with movable coordinates, on which the eight tasks are drawn.

Coordinates are [-1, 1] in both directions, x to the right and y down, whatever the number of
pixels, so a drawing looks the same at every size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from avalanche_mas.streams.drawn.colours import Colour
from avalanche_mas.streams.drawn.shapes import ellipse, rectangle, round_line

GLYPH_PIXELS = 96  # letters are rasterised once at this height, then mapped like every other shape


@dataclass(frozen=True)
class Canvas:
    """A view of an image, with coordinates of its own that `matrix` maps to pixels.

    Attributes:
        image: the RGB image, shared by all of its views.
        pen: draws on the image, with transparency.
        matrix: float64 [2, 3], from the view's coordinates to pixels.
    """

    image: Image.Image
    pen: ImageDraw.ImageDraw
    matrix: NDArray[np.float64]

    @classmethod
    def blank(cls, pixels: int) -> Canvas:
        """Make a black square canvas of `pixels` by `pixels`."""
        image = Image.new("RGB", (pixels, pixels))
        half = pixels / 2
        matrix = np.array([[half, 0.0, half], [0.0, half, half]])
        return cls(image, ImageDraw.Draw(image, "RGBA"), matrix)

    def at(
        self,
        place: ArrayLike = (0.0, 0.0),
        scale: float = 1.0,
        angle: float = 0.0,
        stretch: tuple[float, float] = (1.0, 1.0),
        shear: float = 0.0,
    ) -> Canvas:
        """Return a view whose origin is at `place` in this one.

        Drawings in it are stretched (a negative factor mirrors), sheared sideways, scaled, and then
        turned clockwise by `angle` radians.
        """
        c, s = math.cos(angle), math.sin(angle)
        turn = np.array([[c, -s], [s, c]])
        linear = scale * turn @ np.array([[1.0, shear], [0.0, 1.0]]) @ np.diag(stretch)
        own = self.matrix[:, :2]
        offset = own @ np.asarray(place, dtype=np.float64) + self.matrix[:, 2]
        return Canvas(self.image, self.pen, np.column_stack([own @ linear, offset]))

    def fill(
        self, points: ArrayLike, colour: Colour, edge: Colour | None = None, width: float = 0.02
    ) -> None:
        """Fill the polygon [n, 2], with an edge of `width` if it has a colour."""
        corners = self._pixels(points)
        if edge is None:
            self.pen.polygon(corners, fill=colour)
        else:
            self.pen.polygon(corners, fill=colour, outline=edge, width=self._thickness(width))

    def line(self, points: ArrayLike, width: float, colour: Colour) -> None:
        """Draw a polyline [n, 2] with plain ends, for thin lines."""
        self.pen.line(
            self._pixels(points), fill=colour, width=self._thickness(width), joint="curve"
        )

    def limb(self, start: ArrayLike, end: ArrayLike, width: float, colour: Colour) -> None:
        """Draw a thick straight line with round ends."""
        self.fill(round_line(np.asarray(start), np.asarray(end), width), colour)

    def disc(
        self,
        x: float,
        y: float,
        radius: float,
        colour: Colour,
        ratio: float = 1.0,
        edge: Colour | None = None,
        width: float = 0.02,
    ) -> None:
        """Fill an ellipse of half width `radius` and half height `ratio * radius`."""
        self.fill(ellipse(x, y, radius, radius * ratio), colour, edge, width)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, edge: Colour | None = None
    ) -> None:
        """Fill a rectangle."""
        self.fill(rectangle(x0, y0, x1, y1), colour, edge)

    def glyph(
        self, character: str, font: ImageFont.FreeTypeFont, colour: Colour, hollow: bool = False
    ) -> None:
        """Write one character two units high, centred on the origin of this view."""
        side = 2 * GLYPH_PIXELS
        mask = Image.new("L", (side, side))
        pen = ImageDraw.Draw(mask)
        left, top, right, bottom = font.getbbox(character)
        corner = (side / 2 - (left + right) / 2, side / 2 - (top + bottom) / 2)
        pen.text(corner, character, font=font, fill=255, stroke_width=4 if hollow else 0)
        if hollow:
            pen.text(corner, character, font=font, fill=0)
        height = max(bottom - top, 1)
        to_pixels = np.vstack([self.matrix, [0.0, 0.0, 1.0]])
        to_glyph = np.array(
            [[height / 2, 0.0, side / 2], [0.0, height / 2, side / 2], [0.0, 0.0, 1.0]]
        )
        inverse = to_glyph @ np.linalg.inv(to_pixels)
        data = tuple(inverse[:2].ravel().tolist())
        placed = mask.transform(
            self.image.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
        )
        self.image.paste(colour, mask=placed)

    def texture(self, cells: NDArray[np.float64]) -> None:
        """Cover the whole image with a smooth pattern.

        Args:
            cells: colours [rows, columns, 3] in [0, 255], to interpolate between.
        """
        small = Image.fromarray(np.clip(cells, 0, 255).astype(np.uint8))
        self.image.paste(small.resize(self.image.size, Image.Resampling.BICUBIC))

    def blur(self, radius: float) -> None:
        """Blur everything drawn so far; the radius is in the units of this view."""
        self.image.paste(self.image.filter(ImageFilter.GaussianBlur(radius * self._unit())))

    def _unit(self) -> float:
        return math.sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))

    def _thickness(self, width: float) -> int:
        return max(1, round(width * self._unit()))

    def _pixels(self, points: ArrayLike) -> list[float]:
        mapped = np.asarray(points, dtype=np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]
        flat: list[float] = mapped.ravel().tolist()
        return flat
