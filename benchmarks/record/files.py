"""The folder of the recorded results; files read, and written in one step."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from avalanche_mas.files import parse_json, replacing

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"

DEEPEST = 50
"""How deeply a file may be nested; none written here is half as deep."""


def read_json(file: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON, or nested too deeply; the message names it.
    """
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
        _check(content, DEEPEST)
    except ValueError as error:
        raise ValueError(f"{file} cannot be read ({error})") from error
    return content


def _check(value: Any, deepest: int) -> None:
    """Refuse deep nesting, and texts that are none: halves of characters cannot be written."""
    if deepest == 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict | list):
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(each, deepest - 1)


def write_atomically(file: Path, content: str | bytes) -> None:
    """Write a file in one step; make its folder if needed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def or_null(value: float) -> float | None:
    """Return a number for JSON: `None` for NaN."""
    return None if math.isnan(value) else value


def write_json(file: Path, content: Any) -> None:
    """Write JSON in one step; NaN and infinity are refused, as JSON has neither."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(file, text + "\n")
