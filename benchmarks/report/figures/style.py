"""How methods and tasks are called, ordered and drawn: the same in every table and figure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Look(NamedTuple):
    """A method's appearance.

    The colours are those of Okabe and Ito, which colour-blind readers tell apart, and a few darker
    ones; marker and dashes tell all methods apart without any.
    """

    title: str
    colour: str
    marker: str = "o"
    dashed: bool = False


LOOKS = {
    "fine-tuning": Look("Fine-tuning", "#8c8c8c", "s"),
    "si": Look("SI as shipped", "#56b4e9", "v", dashed=True),
    "si-repaired": Look("SI repaired", "#cc79a7", "^"),
    "lwf": Look("LwF as shipped", "#009e73", "D", dashed=True),
    "lwf-repaired": Look("LwF repaired", "#009e73", "D"),
    "ebll": Look("EBLL", "#7f4f24", "h"),
    "imm-mean": Look("IMM, mean", "#6a3d9a", "<"),
    "imm-mode": Look("IMM, mode", "#b8a500", ">"),
    "ewc": Look("EWC as shipped", "#0072b2", "P", dashed=True),
    "ewc-repaired": Look("EWC repaired", "#0072b2", "P"),
    "mas": Look("MAS", "#d55e00", "o"),
    "l-mas": Look("l-MAS", "#e69f00", "X"),
    "joint": Look("Joint training", "#000000", "", dashed=True),
}
"""In the order of the tables: no remedy first, the upper bound last."""

UPPER_BOUND = "joint"
SPARE = (("#1b4965", "p"), ("#f0a3c4", "*"), ("#5a7d2a", "d"), ("#9a031e", "8"))
"""Colours and markers of methods that have no look of their own."""


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
    return Look(method, *SPARE[spare.index(method) % len(SPARE)])


def title(method: str) -> str:
    """The method's name in sentences."""
    return LOOKS[method].title if method in LOOKS else method


def task_title(task: str) -> str:
    """A task's name in sentences."""
    return task.upper() if task == "svhn" else task.capitalize()


def written(value: float, form: str = ".1f") -> str:
    """A number in that form, with a true minus sign; what rounds to zero has none."""
    text = format(value, form)
    return format(0.0, form) if float(text) == 0 else text.replace("-", "−")
