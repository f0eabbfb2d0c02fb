"""Reading the small files that come with a data set; every error names the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

LONGEST = 10_000
"""The most characters of a line; the longest that a data set has are names of files."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All control characters, also those that change the direction, but the tab, which separates columns."""


def lines(path: Path) -> list[str]:
    """Return the non-empty lines of a UTF-8 text file, stripped; any line ending is accepted.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not UTF-8 text, or not as `as_text` wants it.
    """
    try:
        text = require(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from error
    return [as_text(line.strip(), path) for line in text.split("\n") if line.strip()]


def as_text(value: object, path: Path) -> str:
    """Return what a file has as text.

    Raises:
        ValueError: it is too long, or has control characters, which act on a terminal.
    """
    text = str(value)
    if len(text) > LONGEST:
        raise ValueError(f"{path}: {text[:20]!r} … has {len(text)} characters, at most {LONGEST}")
    if _CONTROL.search(text):
        raise ValueError(f"{path}: {text!r} has control characters in it")
    return text


def pairs(path: Path) -> list[tuple[str, str]]:
    """Return the lines of a text file with two columns; the second may contain spaces."""
    rows = [line.split(maxsplit=1) for line in lines(path)]
    for row in rows:
        if len(row) != 2:
            raise ValueError(f"{path}: expected two columns, found {' '.join(row)!r}")
    return [(first, second) for first, second in rows]


def read_table(path: Path) -> dict[str, str]:
    """Return the second column of a text file by the first."""
    rows = pairs(path)
    found = dict(rows)
    if len(found) < len(rows):
        [(first, times)] = Counter(first for first, _ in rows).most_common(1)
        raise ValueError(f"{path}: there are {times} lines for {first!r}")
    return found


def class_index(number: object, names: Sequence[str], where: str) -> int:
    """Turn an official class number, counted from 1, into an index of ``names``.

    Raises:
        ValueError: the number is not a whole number in 1..len(names).
    """
    try:
        value = float(number)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = 0.0
    if value not in range(1, len(names) + 1):
        raise ValueError(f"{where}: class {number} is not one of 1..{len(names)}")
    return int(value) - 1


def require(path: Path) -> Path:
    """Return the path if it is a file, or raise FileNotFoundError."""
    if not is_file(path):
        raise FileNotFoundError(f"{path} is missing: the data set is incomplete")
    return path


def is_file(path: Path) -> bool:
    """Return whether there is such a file; there is none whose name is too long."""
    try:
        return path.is_file()
    except OSError:
        return False
