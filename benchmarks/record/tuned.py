"""The strengths found by tuning: written by `tune`, read by `run` as its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.record.files import RESULTS, read_json

TUNED = "tuning on validation data"
"""How a run records that a strength came from here."""

TUNING = RESULTS / "tuning"


def tuning_file(experiment: str, source: str) -> Path:
    """Return the file with an experiment's tuning result on `"drawn"` or `"real"` data."""
    return TUNING / f"{experiment}-{source}.json"


class Tuned(NamedTuple):
    """A strength that tuning chose, and the configuration of the runs that chose it."""

    strength: float
    configuration: dict[str, Any]


def tuned_strength(experiment: str, source: str, method: str) -> Tuned | None:
    """Return the strength that tuning chose for a method, `None` if it was not tuned."""
    file = tuning_file(experiment, source)
    if not file.is_file():
        return None
    result = read_json(file)
    entry = result["methods"].get(method)
    return None if entry is None else Tuned(float(entry["strength"]), result["configuration"])
