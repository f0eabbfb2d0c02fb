"""What methods, experiments and tasks are called in the report, in which order, and how they look.

All of it is asked of their definitions. What is not defined here, such as a method of somebody else,
is called by its own name, comes after the others, and has a spare look.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.methods import METHODS, Look, Method

SPARE = (
    Look("#1b4965", "p"),
    Look("#f0a3c4", "*"),
    Look("#5a7d2a", "d"),
    Look("#9a031e", "8"),
)
"""The looks of methods that have none of their own."""


def method_named(name: str) -> Method:
    """The definition of a method, one with defaults if it is unknown."""
    return METHODS.get(name) or Method(name, name, "", lambda _: [], place=sys.maxsize)


def experiment_named(name: str) -> Experiment:
    """The definition of an experiment, one with defaults if it is unknown."""
    title = name.replace("-", " ").capitalize()
    return EXPERIMENTS.get(name) or Experiment(name, "", (), title=title)


def title(method: str) -> str:
    """The method's name in tables."""
    return method_named(method).title


def in_sentence(method: str) -> str:
    """The method's name within a sentence: small where it is a word and no abbreviation."""
    name = title(method)
    return name.lower() if name[1:].islower() else name


def is_upper_bound(method: str) -> bool:
    """Whether it sees all tasks at once, which no other method may."""
    return method_named(method).joint


def in_order(methods: Iterable[str]) -> list[str]:
    """The methods in the order of the tables; unknown ones by name, before the upper bound."""

    def rank(method: str) -> tuple[bool, int, str]:
        known = method_named(method)
        return known.joint, known.place, method

    return sorted(methods, key=rank)


def look(method: str, methods: Iterable[str] = ()) -> Look:
    """How one of the methods that are shown together is drawn."""
    spare = [name for name in in_order({method, *methods}) if method_named(name).look is None]
    return method_named(method).look or SPARE[spare.index(method) % len(SPARE)]


def data_in_order(experiment: str, found: Iterable[str | None]) -> list[str | None]:
    """What importance was measured on: nothing said, then in the experiment's order, then others."""
    known = experiment_named(experiment).importance_on
    return [None, *known, *sorted({one for one in found if one} - {*known})]


def task_title(task: str) -> str:
    """A task's name in sentences."""
    return task.upper() if task == "svhn" else task.capitalize()


def written(value: float, form: str = ".1f") -> str:
    """A number in that form, with a true minus sign; what rounds to zero has none."""
    text = format(value, form)
    return format(0.0, form) if float(text) == 0 else text.replace("-", "−")
