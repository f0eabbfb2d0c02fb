"""Timing side by side: contenders take turns, so a drift of the machine affects all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

PRECISIONS = ("float32", "tf32")
"""How a GPU multiplies float32 matrices: exactly, or rounded to 10 bits of mantissa."""


def take_turns(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    wait: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Run every contender once to warm up, then in `rounds` rounds; return the seconds of each.

    Args:
        contenders: The contenders by name.
        rounds: The number of turns of each.
        wait: Returns when the device has finished a contender's work.
    """
    for contender in contenders.values():
        contender()
    wait()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
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


def shown(found: Mapping[str, float]) -> str:
    """Write a ratio as `median (min to max)`."""
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


def per_sample(found: dict[str, Any], row: Mapping[str, Any], contender: str) -> str:
    """Write a contender's median milliseconds per sample; on a GPU down to microseconds."""
    milliseconds = 1e3 * statistics.median(row["seconds"][contender]) / row["samples"]
    return f"{milliseconds:.{3 if 'gpu' in found['machine'] else 1}f}"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    head, *lines = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    return "\n".join([head, "|---" * len(header) + "|", *lines])


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
