"""How weights are cut into tiles and samples into splits, and what it costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avalanche_mas.importance.kernels.plans import (
    Cost,
    Size,
    Tile,
    cost,
    depthwise_tile,
    product_tile,
    splits,
)

counts = st.integers(1, 5000)


@given(counts, counts, counts, counts, st.integers(1, 500), st.integers(0, 2**30))
def test_splits_cover_the_samples_within_the_bytes(
    tiles: int, samples: int, rows: int, columns: int, processors: int, max_bytes: int
) -> None:
    parts, per_split = splits(tiles, Size(samples, 1, rows, columns), processors, max_bytes)
    assert (parts - 1) * per_split < samples <= parts * per_split
    assert parts == 1 or 4 * parts * rows * columns <= max_bytes
    assert parts == 1 or (parts - 1) * tiles < 2 * processors


@given(counts, counts, counts, st.sampled_from(("ieee", "tf32", "tf32x3")), st.sampled_from((2, 4)))
def test_tiles_are_powers_of_two_that_tensor_cores_take(
    positions: int, rows: int, columns: int, precision: str, itemsize: int
) -> None:
    tile = product_tile(Size(8, positions, rows, columns), precision, itemsize)  # type: ignore[arg-type]
    for n, size in ((tile.rows, rows), (tile.columns, columns), (tile.positions, positions)):
        assert n & (n - 1) == 0
        assert 16 <= n <= max(16, 2 * size - 1)
    assert (
        tile.rows * tile.columns / (32 * tile.warps) <= 64
    )  # registers for the sum; and for a gradient


@pytest.mark.parametrize("by_channel", [False, True])
def test_depthwise_tiles(by_channel: bool) -> None:
    taps, tile = depthwise_tile(Size(8, 49, 96, 9), by_channel=by_channel)
    assert taps == 16
    assert tile.rows * tile.positions == 32 * tile.warps


def test_cost_by_hand() -> None:
    """2 samples, 10 positions, 2 groups, a weight of 32 × 48 in each, in tiles of 16 × 32."""
    size, tile = Size(2, 10, 32, 48, groups=2), Tile(16, 32, 16)
    left, right, weight = 2 * 10 * 64 * 4, 2 * 10 * 96 * 4, 2 * 32 * 48
    moved = left * 2 + right * 2 + 8 * 3 * weight
    assert cost(size, tile, left, right, parts=3) == Cost(moved, 2 * 2 * 10 * weight)
    assert cost(size, Tile(32, 48, 16), left, right).bytes == left + right + 8 * weight
    assert Cost(100, 60).seconds(50, 20) == 3.0
    assert Cost(100, 20).seconds(50, 20) == 2.0
