"""One check for options that are chosen by name."""

from __future__ import annotations

from collections.abc import Iterable


def check_option(name: str, value: object, known: Iterable[object]) -> None:
    """Raise ValueError unless the value is one of the known ones."""
    known = list(known)
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
