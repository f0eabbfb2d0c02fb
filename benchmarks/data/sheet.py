"""Contact sheets: pictures in rows, with names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

GAP = 2
"""Pixels between two pictures."""

MARGIN = 10
"""Pixels around everything, and between columns."""

TEXT = 13
"""Height of the letters, in pixels."""

INK, PALE, PAPER = "#1f2328", "#656d76", "#ffffff"


class PictureRow(NamedTuple):
    """A named row of pictures."""

    name: str
    pictures: Sequence[Image.Image]


def by_class(title: str, rows: Sequence[PictureRow], tile: int) -> Image.Image:
    """Draw every row under its name, in columns, so that the sheet has about a screen's shape.

    `tile` is the largest width and height of a picture on the sheet.
    """
    each = max(len(row.pictures) for row in rows)
    tile = _fitting(tile, rows)
    width = each * (tile + GAP) - GAP + MARGIN
    height = TEXT + 4 + tile + MARGIN
    columns = _columns(len(rows), width, height)
    deep = -(-len(rows) // columns)
    top = 2 * MARGIN + TEXT
    sheet = Image.new("RGB", (MARGIN + columns * width, top + deep * height), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (MARGIN, MARGIN), title, sheet.width - 2 * MARGIN, PALE)
    for number, row in enumerate(rows):
        left, down = MARGIN + number // deep * width, top + number % deep * height
        _write(draw, (left, down), row.name, width - MARGIN, INK)
        _paste(sheet, row.pictures, left, down + TEXT + 4, tile)
    return sheet


def by_task(rows: Sequence[PictureRow], tile: int) -> Image.Image:
    """Draw every row as a line of pictures with its name on the left."""
    each = max(len(row.pictures) for row in rows)
    tile = _fitting(tile, rows)
    font = _font()
    label = MARGIN + round(max(font.getlength(row.name) for row in rows))
    width = MARGIN + label + each * (tile + GAP) - GAP + MARGIN
    sheet = Image.new("RGB", (width, 2 * MARGIN + len(rows) * (tile + GAP) - GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top = MARGIN + number * (tile + GAP)
        draw.text((MARGIN, top + tile // 2), row.name, fill=INK, font=font, anchor="lm")
        _paste(sheet, row.pictures, MARGIN + label, top, tile)
    return sheet


def _columns(rows: int, width: int, height: int) -> int:
    """Return the number of columns that brings the sheet closest to 4 : 3."""

    def distance(columns: int) -> float:
        return abs(columns * width / (-(-rows // columns) * height) - 4 / 3)

    return min(range(1, rows + 1), key=distance)


def _paste(
    sheet: Image.Image, pictures: Sequence[Image.Image], left: int, top: int, tile: int
) -> None:
    for number, picture in enumerate(pictures):
        filtering = Image.Resampling.LANCZOS if picture.width > tile else Image.Resampling.NEAREST
        sheet.paste(picture.resize((tile, tile), filtering), (left + number * (tile + GAP), top))


def _fitting(tile: int, rows: Sequence[PictureRow]) -> int:
    """Return the tile size, reduced so that small pictures are enlarged by a whole factor."""
    side = rows[0].pictures[0].width
    return tile if side > tile else side * (tile // side)


def _write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, room: int, ink: str) -> None:
    font = _font()
    while len(text) > 1 and font.getlength(text) > room:
        text = text[:-2] + "…"
    draw.text(at, text, fill=ink, font=font)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(TEXT)
