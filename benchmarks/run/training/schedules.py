"""Learning rate schedules over a task, as pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

WARM_UP = 0.3
"""The share of the steps in which `one-cycle` rises."""

DROP_AT = 54
"""The percentage of the steps after which `step` drops."""

DROP_AFTER = 5
"""Epochs without gain after which `plateau` drops."""

STOP_AFTER = 10
"""Epochs without gain after which training stops with `plateau`, by default."""


class Progress(NamedTuple):
    """How far training on a task has come: the next step, from 0, of so many unless it stops early.

    `accuracies` are on the task's validation data, after each epoch so far; empty if not
    measured.
    """

    step: int
    steps: int
    accuracies: Sequence[float] = ()


def one_cycle(peak: float, progress: Progress) -> float:
    """Return the rate of the one-cycle schedule (Smith and Topin 2018, arXiv 1708.07120).

    It rises along a cosine from `peak`/25 to `peak` over the first 30 % of the steps, then falls
    along a cosine to nearly 0.
    """
    step, steps = progress.step, progress.steps
    turn = WARM_UP * steps
    if step < turn:
        low, high, share = peak / 25, peak, step / turn
    else:
        low, high, share = peak, 0.0, (step - turn) / (steps - turn)
    return high + (low - high) * (1 + math.cos(math.pi * share)) / 2


def constant(peak: float, progress: Progress) -> float:  # noqa: ARG001 - a schedule's signature
    """Return `peak`."""
    return peak


def plateau(peak: float, progress: Progress) -> float:
    """Return `peak`, divided by ten once for every run of 5 or more epochs without gain.

    This is the survey's schedule (De Lange et al., TPAMI 2021), which stops training after 10 such
    epochs in a row.
    """
    return peak / 10.0 ** epochs_without_gain(progress.accuracies).count(DROP_AFTER)


def one_step(peak: float, progress: Progress) -> float:
    """Return `peak`, and a tenth of it after 54 % of the task's epochs.

    In the code that Aljundi et al. published, the rate drops after 54 of 100 epochs (MAS.py of
    github.com/rahafaljundi/MAS-Memory-Aware-Synapses).
    """
    return peak if 100 * progress.step < DROP_AT * progress.steps else peak / 10


SCHEDULES: dict[str, Callable[[float, Progress], float]] = {
    "one-cycle": one_cycle,
    "constant": constant,
    "plateau": plateau,
    "step": one_step,
}
"""Functions from the peak learning rate and the progress to the next step's rate, by name."""


def best_epoch(accuracies: Sequence[float]) -> int:
    """Return the position of the highest accuracy, the first if several are equal."""
    return accuracies.index(max(accuracies))


def epochs_without_gain(accuracies: Sequence[float]) -> list[int]:
    """Return, for each epoch, the number of epochs since the best one so far."""
    counts: list[int] = []
    best = -1.0
    for accuracy in accuracies:
        counts.append(0 if accuracy > best else counts[-1] + 1)
        best = max(best, accuracy)
    return counts
