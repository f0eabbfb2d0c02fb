"""Timing side by side: contenders take turns, so a drift of the machine affects all of them alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import torch

from benchmarks.report.tables import Column

PRECISIONS = ("float32", "tf32")
"""How a GPU multiplies float32 matrices: exactly, or rounded to 10 bits of mantissa."""

ENOUGH = 3
"""The rounds that give a median and a range."""


def take_turns(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    wait: Callable[[], None] = lambda: None,
    patience: float = math.inf,
) -> dict[str, list[float]]:
    """Run every contender once to warm up, then in `rounds` rounds; return the seconds of each.

    `wait` returns when the device has finished a contender's work. After `patience` seconds, three
    rounds are enough.
    """
    for contender in contenders.values():
        contender()
    wait()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    began = time.perf_counter()
    for number in range(rounds):
        if number >= ENOUGH and time.perf_counter() - began > patience:
            break
        for name, contender in contenders.items():
            started = time.perf_counter()
            contender()
            wait()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(a: list[float], b: list[float], scale: float = 1.0) -> dict[str, float]:
    """Return the median, minimum and maximum of `scale` a / b, taken round by round."""
    ratios = [scale * x / y for x, y in zip(a, b, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def ratio_text(found: Mapping[str, float]) -> str:
    """Write a ratio as `median (min to max)`."""
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


def name_column(title: str) -> Column[Any]:
    """Return the column of the names of rows that `named` gave."""
    return Column(title, itemgetter("name"))


def ratio_column(title: str, key: str) -> Column[Any]:
    """Return the column of a recorded ratio."""
    return Column(title, itemgetter(key), ratio_text)


def per_sample(title: str, contender: str) -> Column[Any]:
    """Return the column of a contender's milliseconds per sample."""
    return milliseconds(
        title, lambda row: statistics.median(row["seconds"][contender]) / row["samples"]
    )


def milliseconds(title: str, seconds: Callable[[Any], float | None]) -> Column[Any]:
    """Return the column of times in milliseconds, small ones down to microseconds."""
    return Column(title, seconds, lambda s: f"{1e3 * s:.{1 if s >= 0.01 else 3}f}")


def named(rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return recorded rows, each with its `"name"`."""
    return [{"name": name, **row} for name, row in rows.items()]


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Multiply float32 matrices on a GPU in one of `PRECISIONS`, and restore the setting."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    try:
        products.allow_tf32 = convolutions.allow_tf32 = name == "tf32"
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def multiplications_per_second(device: torch.device, wait: Callable[[], None]) -> float:
    """Measure a device's float32 arithmetic bound: flop/s of a large matrix product."""
    n = 2048 if device.type == "cpu" else 8192
    a, b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
    seconds = take_turns({"product": lambda: a @ b}, 7, wait)["product"]
    return 2 * n**3 / min(seconds)
