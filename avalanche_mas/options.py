"""Checks of options: names, numbers, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def check_option(name: str, value: object, known: Iterable[object]) -> None:
    """Raise ValueError unless the value is one of the known ones."""
    known = list(known)
    if value not in known:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}{guess(value, known)}"
        )


def guess(word: object, known: Iterable[object]) -> str:
    """Return the known word that was probably meant, to be added to a message, or nothing."""
    spelled = {each.lower(): each for each in known if isinstance(each, str)}
    given = str(word).lower()
    longer = [each for each in spelled if given and each.startswith(given)]
    found = longer if len(longer) == 1 else get_close_matches(given, spelled, 1)
    return f"; did you mean {spelled[found[0]]!r}?" if found else ""


def number(name: str, value: Any) -> float:
    """Return a real number, a tensor or an array of one element as a float.

    Raises:
        TypeError: it is something else, such as a text or a boolean.
    """
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        kind = type(value).__name__
        raise TypeError(f"{name} must be a number, such as 1.0, got {value!r} ({kind})") from None


def check_count(name: str, value: Any, least: int) -> None:
    """Raise TypeError unless the value is a whole number, and ValueError if it is below the least."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, got {value!r} ({type(value).__name__})")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
