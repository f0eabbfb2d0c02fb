"""Timing side by side: contenders take turns, so that a machine that drifts drifts for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

PRECISIONS = ("float32", "tf32")
"""How a GPU multiplies float32 matrices: exactly, or rounded to 10 bits of mantissa."""


def take_turns(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    wait: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Run every contender once to warm up, then in `rounds` rounds; return each one's seconds.

    Args:
        contenders: What is timed, by name.
        rounds: How many turns each one has.
        wait: Returns when the device has done what a contender gave it.
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
    """Return median, minimum and maximum of `scale` a / b, round by round."""
    ratios = [scale * x / y for x, y in zip(a, b, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def shown(found: Mapping[str, float]) -> str:
    """Write a ratio as `median (min to max)`."""
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Multiply float32 matrices on a GPU in one of `PRECISIONS`; afterwards as before."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    try:
        products.allow_tf32 = convolutions.allow_tf32 = name == "tf32"
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def multiplications_per_second(
    device: torch.device | None = None, wait: Callable[[], None] = lambda: None
) -> float:
    """Measure a device's float32 arithmetic bound: flop/s of a large matrix product."""
    n = 2048 if device is None or device.type == "cpu" else 8192
    a, b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
    seconds = take_turns({"product": lambda: a @ b}, 7, wait)["product"]
    return 2 * n**3 / min(seconds)
