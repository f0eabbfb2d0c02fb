"""How the words of a command line are read: a function per kind of value, and the parser.

Nothing here loads PyTorch, so that a mistyped value is answered at once.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any, NoReturn

from benchmarks.methods import METHODS


def seeds(text: str) -> tuple[int, ...]:
    """Read `3` as the seeds 0, 1, 2 and `4,7` (or `4,`) as the seeds listed."""
    try:
        numbers = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        numbers = ()
    chosen = tuple(range(numbers[0])) if numbers and "," not in text else numbers
    if not chosen or min(chosen) < 0 or len(set(chosen)) < len(chosen):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number of seeds, such as 3, nor a list of different ones, "
            "such as 0,4,7"
        )
    return chosen


def strength(text: str) -> tuple[str, float]:
    """Read `mas=0.1` as the method and its strength."""
    method, _, value = text.partition("=")
    known = [name for name, entry in METHODS.items() if entry.strength]
    if method not in known or not value:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not METHOD=STRENGTH, such as mas=0.1; the methods with a strength are "
            + ", ".join(known)
        )
    return method, not_negative(value)


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def count(text: str) -> int:
    """Read a whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def gpus(text: str) -> float:
    """Read a share of a GPU, such as 0.5, or a whole number of them."""
    number = _finite(text)
    if not (0 <= number < 1 or (number >= 1 and number.is_integer())):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a share of a GPU, such as 0.5, nor a whole number of them"
        )
    return number


def cluster(text: str) -> str:
    """Read the address of a Ray cluster that has a node on this machine."""
    if "://" in text or not text:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOST:PORT or auto; run the command on a node of the cluster"
        )
    return text


def rate(text: str) -> float:
    """Read a finite number above 0."""
    number = _finite(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number above 0")
    return number


def not_negative(text: str) -> float:
    """Read a finite number of at least 0."""
    number = _finite(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number of at least 0")
    return number


def norm(text: str) -> float | None:
    """Read a finite number above 0, or `none`."""
    return None if text == "none" else rate(text)


def _finite(text: str) -> float:
    """The number, or nan where it is none or not finite."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations that lists the known options when it meets an unknown one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **kwargs)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse `args`, refusing what is left over with the list of what is known."""
        parsed, extra = self.parse_known_args(args, namespace)
        if extra:
            self.unknown(extra)
        return parsed

    def unknown(self, extra: Sequence[str]) -> NoReturn:
        """End with an error that names what was not understood and the options there are."""
        known = sorted({name for action in self._actions for name in action.option_strings})
        self.error(f"unknown {' '.join(extra)}; the options are {', '.join(known)}")
