"""Outlines as arrays of points [n, 2], x to the right and y down."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Points:
    """Return the four corners."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def ellipse(x: float, y: float, rx: float, ry: float, steps: int = 28) -> Points:
    """Return an ellipse with half axes rx and ry."""
    return arc(x, y, rx, ry, 0.0, 2 * math.pi * (1 - 1 / steps), steps)


def arc(
    x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 16
) -> Points:
    """Return an arc of an ellipse, from angle `start` to `end` (radians, clockwise)."""
    t = np.linspace(start, end, steps)
    return np.column_stack([x + rx * np.cos(t), y + ry * np.sin(t)])


def round_line(start: Points, end: Points, width: float) -> Points:
    """Return the outline of a thick line with round ends."""
    heading = math.atan2(end[1] - start[1], end[0] - start[0])
    r, quarter = width / 2, math.pi / 2
    front = arc(end[0], end[1], r, r, heading - quarter, heading + quarter, 8)
    back = arc(start[0], start[1], r, r, heading + quarter, heading + 3 * quarter, 8)
    return np.concatenate([front, back])


def smooth(points: ArrayLike, closed: bool = True, times: int = 3) -> Points:
    """Round a polygon's corners by Chaikin's cutting; an open line keeps its ends."""
    line = np.asarray(points, dtype=np.float64)
    for _ in range(times):
        after = np.concatenate([line[1:], line[:1]]) if closed else line[1:]
        before = line if closed else line[:-1]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1)
        inner = cut.reshape(-1, 2)
        line = inner if closed else np.concatenate([line[:1], inner, line[-1:]])
    return line


def symmetric(half: ArrayLike) -> Points:
    """Return the whole outline whose right half (x >= 0) is given from end to end."""
    right = np.asarray(half, dtype=np.float64)
    return np.concatenate([right, right[::-1] * np.array([-1.0, 1.0])])


def jitter(rng: np.random.Generator, points: ArrayLike, amount: float) -> Points:
    """Move every coordinate by a normal deviate of standard deviation `amount`."""
    line = np.asarray(points, dtype=np.float64)
    return line + rng.normal(0.0, amount, line.shape)
