"""How methods and tasks are called, ordered and drawn: the same in every table and figure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Look(NamedTuple):
    """A method's appearance, in colours by Okabe and Ito that colour-blind readers tell apart."""

    title: str
    colour: str
    marker: str = "o"
    dashed: bool = False


LOOKS = {
    "fine-tuning": Look("Fine-tuning", "#8c8c8c", "s"),
    "si": Look("SI as shipped", "#56b4e9", "v", dashed=True),
    "si-repaired": Look("SI repaired", "#cc79a7", "^"),
    "lwf": Look("LwF", "#009e73", "D"),
    "ewc": Look("EWC", "#0072b2", "P"),
    "mas": Look("MAS", "#d55e00", "o"),
    "l-mas": Look("l-MAS", "#e69f00", "X"),
    "joint": Look("Joint training", "#000000", "", dashed=True),
}
"""In the order of the tables: no remedy first, the upper bound last."""

UPPER_BOUND = "joint"
SPARE_COLOURS = ("#b8a500", "#6a3d9a", "#7f4f24", "#f0a3c4")


def in_order(methods: Iterable[str]) -> list[str]:
    """The methods in the order of the tables; unknown ones by name, before the upper bound."""
    known = [method for method in LOOKS if method != UPPER_BOUND]

    def rank(method: str) -> tuple[int, str]:
        if method == UPPER_BOUND:
            return len(known) + 1, method
        return (known.index(method) if method in known else len(known)), method

    return sorted(methods, key=rank)


def look(method: str, methods: Iterable[str]) -> Look:
    """The appearance of one of the methods that are shown together."""
    if method in LOOKS:
        return LOOKS[method]
    spare = [name for name in in_order(methods) if name not in LOOKS]
    return Look(method, SPARE_COLOURS[spare.index(method) % len(SPARE_COLOURS)], "X")


def title(method: str) -> str:
    """The method's name in sentences."""
    return LOOKS[method].title if method in LOOKS else method


def task_title(task: str) -> str:
    """A task's name in sentences."""
    return task.upper() if task == "svhn" else task.capitalize()
