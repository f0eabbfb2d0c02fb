"""Which sequences an experiment learns: those named, all ordered pairs, other orders."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from itertools import chain, permutations
from typing import TypeAlias

TaskNames: TypeAlias = tuple[str, ...]
"""Tasks in the order in which they are learned."""

EIGHT: TaskNames = (
    "flowers",
    "scenes",
    "birds",
    "cars",
    "aircraft",
    "actions",
    "letters",
    "svhn",
)
"""The paper's sequence of eight object recognition tasks."""


def ordered_pairs(sequences: Iterable[TaskNames]) -> tuple[TaskNames, ...]:
    """Return all pairs, in both orders, of the tasks that the sequences have."""
    return tuple(permutations(dict.fromkeys(chain.from_iterable(sequences)), 2))


def orders(tasks: TaskNames, count: int) -> tuple[TaskNames, ...]:
    """Return the given order and others drawn by chance, all different.

    The draws are the same every time, and the first of many orders are those of few.

    Args:
        tasks: Different tasks.
        count: How many orders.

    Raises:
        ValueError: There are not so many orders.
    """
    if count > math.factorial(len(tasks)):
        raise ValueError(
            f"--orders {count}: {len(tasks)} tasks ({' '.join(tasks)}) have only "
            f"{math.factorial(len(tasks))} orders"
        )
    chance, found = random.Random(0), {tasks: None}
    while len(found) < count:
        found[tuple(chance.sample(tasks, len(tasks)))] = None
    return tuple(found)
