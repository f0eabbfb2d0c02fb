"""How Ω is spread, against sorting by hand in float64, and what scaling must not change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from avalanche_mas.metrics.capacity import top_share, used_capacity

entries = st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=300)


@given(entries, st.floats(0.001, 1))
def test_top_share_is_that_of_the_largest(values: list[float], part: float) -> None:
    largest = sorted(values, reverse=True)[: math.ceil(part * len(values))]
    expected = math.fsum(largest) / math.fsum(values) if any(values) else 0
    assert top_share(np.sort(values), part) == pytest.approx(expected)


@given(entries, st.none() | st.floats(0, 1e40))
@example([1.0, 0.5], 1 - 1e-12)
@example([1.0, 0.5], 1 + 1e-12)
def test_used_capacity_counts(values: list[float], threshold: float | None) -> None:
    ordered = np.sort(np.array(values, dtype=np.float32))
    bound = ordered.sum(dtype=np.float64) / len(values) if threshold is None else threshold
    expected = sum(value > bound for value in values) / len(values)
    assert used_capacity(ordered, threshold) == pytest.approx(expected, abs=1e-12)


@given(entries, st.integers(-20, 20))
def test_scale_does_not_matter(values: list[float], power: int) -> None:
    ordered = np.sort(values)
    scaled = ordered * 2.0**power
    assert top_share(scaled) == pytest.approx(top_share(ordered))
    assert used_capacity(scaled) == used_capacity(ordered)


def test_one_parameter_of_a_hundred_has_it_all() -> None:
    alone = np.array([0.0] * 99 + [5.0])
    assert top_share(alone) == 1
    assert used_capacity(alone) == used_capacity(alone, 0.0) == 0.01
    assert used_capacity(alone, 5.0) == 0


def test_equal_entries_share_equally() -> None:
    equal = np.full(200, 3.0)
    assert top_share(equal) == pytest.approx(0.01)
    assert used_capacity(equal) == 0
    assert used_capacity(equal, 2.0) == 1


def test_zeros_have_no_share() -> None:
    assert top_share(np.zeros(5)) == used_capacity(np.zeros(5)) == 0
