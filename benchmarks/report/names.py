"""What methods, experiments and tasks are called in the report, in which order, and how they look.

All of it is asked of their definitions. What is not defined here, such as a method of somebody else,
is called by its own name, comes after the others, and has a spare look.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from benchmarks.experiments import EXPERIMENTS
from benchmarks.methods import METHODS, Look

SPARE = (
    Look("#1b4965", "p"),
    Look("#f0a3c4", "*"),
    Look("#5a7d2a", "d"),
    Look("#9a031e", "8"),
)
"""The looks of methods that have none of their own."""


def title(method: str) -> str:
    """The method's name in tables."""
    return METHODS[method].title if method in METHODS else method


def in_sentence(method: str) -> str:
    """The method's name within a sentence: small where it is a word and no abbreviation."""
    name = title(method)
    return name.lower() if name[1:].islower() else name


def is_upper_bound(method: str) -> bool:
    """Whether it sees all tasks at once, which no other method may."""
    return method in METHODS and METHODS[method].joint


def in_order(methods: Iterable[str]) -> list[str]:
    """The methods in the order of the tables; unknown ones by name, before the upper bound."""

    def rank(method: str) -> tuple[bool, int, str]:
        known = METHODS.get(method)
        return (known.joint, known.place, method) if known else (False, sys.maxsize, method)

    return sorted(methods, key=rank)


def look(method: str, methods: Iterable[str] = ()) -> Look:
    """How one of the methods that are shown together is drawn."""
    spare = [name for name in in_order({method, *methods}) if _own_look(name) is None]
    return _own_look(method) or SPARE[spare.index(method) % len(SPARE)]


def _own_look(method: str) -> Look | None:
    return METHODS[method].look if method in METHODS else None


def experiment_title(experiment: str, tasks: Sequence[str]) -> str:
    """The experiment's name in headings where it learns these tasks."""
    if experiment in EXPERIMENTS:
        return EXPERIMENTS[experiment].title_of(tuple(tasks))
    return experiment.replace("-", " ").capitalize()


def data_in_order(experiment: str, found: Iterable[str | None]) -> list[str | None]:
    """What importance was measured on: nothing said, then in the experiment's order, then others."""
    known = EXPERIMENTS[experiment].importance_on if experiment in EXPERIMENTS else ()
    return [None, *known, *sorted({one for one in found if one} - {*known})]


def task_title(task: str) -> str:
    """A task's name in sentences."""
    return task.upper() if task == "svhn" else task.capitalize()


def written(value: float, form: str = ".1f") -> str:
    """A number in that form, with a true minus sign; what rounds to zero has none."""
    text = format(value, form)
    return format(0.0, form) if float(text) == 0 else text.replace("-", "−")
