"""The names, the order and the looks of methods, experiments and tasks in the report.

They come from the definitions. Anything undefined, such as somebody else's method, appears under its
own name, after the others and with a spare look.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.methods import METHODS, Look, Method

FAMILY = ("mas", "l-mas")
"""The methods of this project: their rows stand out on the page."""

SPARE = (
    Look("#1b4965", "p"),
    Look("#f0a3c4", "*"),
    Look("#5a7d2a", "d"),
    Look("#9a031e", "8"),
)
"""The looks of methods without their own."""


def method_named(name: str) -> Method:
    """Return the definition of a method, with defaults if it is unknown."""
    return METHODS.get(name) or Method(name, name, "", lambda _: [], place=sys.maxsize)


def experiment_named(name: str) -> Experiment:
    """Return the definition of an experiment, with defaults if it is unknown."""
    title = name.replace("-", " ").capitalize()
    return EXPERIMENTS.get(name) or Experiment(name, "", (), title=title)


def title(method: str) -> str:
    """Return the method's name in tables."""
    return method_named(method).title


def in_sentence(method: str) -> str:
    """Return the method's name within a sentence: in lower case unless it begins with an abbreviation."""
    name = title(method)
    return name.lower() if name[1:].islower() and name[1].isalpha() else name


def is_upper_bound(method: str) -> bool:
    """Return whether the method sees all tasks at once, as only joint training may."""
    return method_named(method).joint


def in_order(methods: Iterable[str]) -> list[str]:
    """Return the methods in the order of the tables; unknown ones by name, before the upper bound."""

    def rank(method: str) -> tuple[bool, int, str]:
        known = method_named(method)
        return known.joint, known.place, method

    return sorted(methods, key=rank)


def look(method: str, methods: Iterable[str] = ()) -> Look:
    """Return the look of a method that is drawn together with others."""
    spare = [name for name in in_order({method, *methods}) if method_named(name).look is None]
    return method_named(method).look or SPARE[spare.index(method) % len(SPARE)]


def data_in_order(experiment: str, found: Iterable[str | None]) -> list[str | None]:
    """Sort what importance was measured on: unspecified first, then as the experiment, then others."""
    known = experiment_named(experiment).importance_on
    return [None, *known, *sorted({one for one in found if one} - {*known})]


def written(value: float, form: str = ".1f") -> str:
    """Format a number with a true minus sign, and with none if it rounds to zero."""
    text = format(value, form)
    return format(0.0, form) if float(text) == 0 else text.replace("-", "−")


def listed(names: Iterable[str]) -> str:
    """Write names as in a sentence: "A", "A and B", "A, B and C"; with semicolons if a name has a comma."""
    *first, last = names
    between = "; " if any("," in name for name in (*first, last)) else ", "
    return f"{between.join(first)} and {last}" if first else last


def span(values: Iterable[Any], write: Callable[[Any], str] = str) -> str:
    """Write the smallest and the largest of some values, "1 to 5", or one if they read alike, "3"."""
    known = sorted(values)
    return " to ".join(dict.fromkeys((write(known[0]), write(known[-1]))))


def together(methods: Iterable[str]) -> str:
    """Name methods with the same results as one: "LwF, as shipped and repaired"."""
    titles = [title(method) for method in in_order(methods)]
    first = {name.partition(" ")[0] for name in titles}
    if len(titles) > 1 and len(first) == 1 and not any("," in name for name in titles):
        return f"{first.pop()}, {listed(name.partition(' ')[2] for name in titles)}"
    return listed(titles)
