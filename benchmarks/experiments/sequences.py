"""Sequences of tasks: the paper's, all ordered pairs, other orders."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from itertools import chain, permutations
from typing import TypeAlias

TaskNames: TypeAlias = tuple[str, ...]
"""Tasks in learning order."""

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


TITLES = {"svhn": "SVHN"}
"""The names in sentences that are more than a capital letter."""


def task_title(task: str) -> str:
    """Return a task's name in sentences."""
    return TITLES.get(task) or task.capitalize()


def ordered_pairs(sequences: Iterable[TaskNames]) -> tuple[TaskNames, ...]:
    """Return all pairs, in both orders, of the tasks in these sequences."""
    return tuple(permutations(dict.fromkeys(chain.from_iterable(sequences)), 2))


def orders(tasks: TaskNames, count: int) -> tuple[TaskNames, ...]:
    """Return the given order and random others, all different.

    They are the same every time, and fewer orders are the first of more.

    Raises:
        ValueError: There are not that many orders.
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
