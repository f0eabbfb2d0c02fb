"""Timing side by side: contenders take turns, so that a machine that drifts drifts for all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def take_turns(
    contenders: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Run every contender once to warm up, then in ``rounds`` rounds; give each one's seconds."""
    for contender in contenders.values():
        contender()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            started = time.perf_counter()
            contender()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(a: list[float], b: list[float], scale: float = 1.0) -> dict[str, float]:
    """Give median, minimum and maximum of ``scale`` a / b, round by round."""
    ratios = [scale * x / y for x, y in zip(a, b, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def shown(found: Mapping[str, float]) -> str:
    """Write a ratio as `median (min to max)`."""
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


def multiplications_per_second() -> float:
    """Measure the machine's float32 arithmetic bound: flop/s of a large matrix product."""
    n = 2048
    a, b = torch.randn(n, n), torch.randn(n, n)
    seconds = take_turns({"product": lambda: a @ b}, 7)["product"]
    return 2 * n**3 / min(seconds)
