"""The course of the learning rate over a task, as pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

WARM_UP = 0.3
"""The share of the steps in which `one-cycle` rises."""

DROP_AFTER = 5
"""Epochs without gain after which `plateau` drops."""

STOP_AFTER = 10
"""Epochs without gain after which training stops with `plateau`, where nothing else is said."""


class Progress(NamedTuple):
    """How far the training on a task is.

    Attributes:
        step: The number of the step to come, from 0.
        steps: How many steps there are if training is not stopped early.
        accuracies: On the task's validation data, after each epoch so far; empty where they are not
            measured.
    """

    step: int
    steps: int
    accuracies: Sequence[float] = ()


def one_cycle(peak: float, progress: Progress) -> float:
    """Return the rate after Smith and Topin 2018, arXiv 1708.07120.

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
    """Return `peak`, divided by ten once for every row of 5 or more epochs that brought no gain.

    The survey's course (De Lange et al., TPAMI 2021); training stops after 10 such epochs in a row.
    """
    return peak / 10.0 ** epochs_without_gain(progress.accuracies).count(DROP_AFTER)


SCHEDULES: dict[str, Callable[[float, Progress], float]] = {
    "one-cycle": one_cycle,
    "constant": constant,
    "plateau": plateau,
}
"""From the highest learning rate and the progress to the rate of the step to come, by name."""


def best_epoch(accuracies: Sequence[float]) -> int:
    """Return the position of the highest accuracy; of equal ones the first."""
    return max(range(len(accuracies)), key=lambda epoch: accuracies[epoch])


def epochs_without_gain(accuracies: Sequence[float]) -> list[int]:
    """Return for each epoch how many have passed since the best one up to it."""
    counts: list[int] = []
    best = -1.0
    for accuracy in accuracies:
        counts.append(0 if accuracy > best else counts[-1] + 1)
        best = max(best, accuracy)
    return counts
