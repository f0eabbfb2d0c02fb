"""How a weight is cut into tiles and its samples into splits, and what that costs. Pure Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

Precision = Literal["ieee", "tf32", "tf32x3"]
"""How float32 is multiplied: as such, rounded to TensorFloat-32, or as three such products of parts."""

NARROWEST = 16
"""The narrowest tile of a product on tensor cores."""

_TILES: dict[Precision, tuple[int, int, int]] = {
    "ieee": (64, 64, 16),
    "tf32": (128, 128, 32),
    "tf32x3": (128, 64, 16),
}
"""Rows, columns and positions at most: what NVIDIA's assembler fits in the registers."""

WAVES = 2
"""Programs wanted for each processor of the chip."""


@dataclass(frozen=True)
class Tile:
    """A program's part of the weight, the positions it reads at once, and how it is compiled."""

    rows: int
    columns: int
    positions: int
    warps: int = 4
    stages: int = 3


class Size(NamedTuple):
    """The sizes that decide: of one group of a weight, and how many samples and positions share it."""

    samples: int
    positions: int
    rows: int
    columns: int
    groups: int = 1


class Cost(NamedTuple):
    """What a kernel moves and multiplies, at least: the bound that a chip sets to its time."""

    bytes: int
    flops: int

    def seconds(self, bytes_per_second: float, flops_per_second: float) -> float:
        """Return the time that a chip needs at least."""
        return max(self.bytes / bytes_per_second, self.flops / flops_per_second)


def product_tile(size: Size, precision: Precision, itemsize: int) -> Tile:
    """Return the tile for a product. Its sum and its gradient must fit in the registers."""
    across, along, positions = _TILES["tf32" if itemsize < 4 else precision]
    rows, columns = _power(size.rows, NARROWEST, across), _power(size.columns, NARROWEST, along)
    positions = _power(size.positions, NARROWEST, positions)
    return Tile(rows, columns, positions, warps=8 if rows * columns > 64 * 64 else 4)


def depthwise_tile(size: Size, *, by_channel: bool) -> tuple[int, Tile]:
    """Return how many places of the kernel a program takes, and its tile of channels and positions."""
    taps = _power(size.columns, 1, 16)
    across, along = 32, 4  # a warp reads neighbours; what it sums need not leave it
    if by_channel:
        return taps, Tile(across, 1, along)
    return taps, Tile(along, 1, across)


def splits(tiles: int, size: Size, processors: int, max_bytes: int) -> tuple[int, int]:
    """Return into how many splits the samples are cut, and how many samples are in each.

    Args:
        tiles: of the weight.
        size: of the weight.
        processors: of the chip.
        max_bytes: for the buffer with one sum, in float32, for each split.
    """
    wanted = math.ceil(WAVES * processors / tiles)
    fitting = max_bytes // max(1, 4 * size.groups * size.rows * size.columns)
    per_split = math.ceil(size.samples / max(1, min(wanted, fitting, size.samples)))
    return math.ceil(size.samples / per_split), per_split


def cost(size: Size, tile: Tile, left_bytes: int, right_bytes: int, *, parts: int = 1) -> Cost:
    """Return what a kernel moves and multiplies for a weight.

    Each factor is read once for every tile across it, and the sum is read and written once for every
    split. The flops are those of one weight gradient, which no method can avoid. A tile as large as the
    weight gives the least that must be moved.

    Args:
        size: of the weight.
        tile: of a program.
        left_bytes: of the gradient at the output, as it is stored.
        right_bytes: of the input.
        parts: how many splits there are.
    """
    across, along = math.ceil(size.columns / tile.columns), math.ceil(size.rows / tile.rows)
    weight = size.groups * size.rows * size.columns
    moved = left_bytes * across + right_bytes * along + 8 * parts * weight
    return Cost(moved, 2 * size.samples * size.positions * weight)


def _power(n: int, least: int, most: int) -> int:
    """Return the least power of two that is not below ``n``, within limits."""
    return min(most, max(least, 1 << max(0, n - 1).bit_length()))
