"""The strengths found by tuning: written by `tune`, read by `run` as its defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "tuning"


def tuning_file(experiment: str, source: str) -> Path:
    """Return the file with the tuning result of an experiment on `"drawn"` or `"real"` data."""
    return RESULTS / f"{experiment}-{source}.json"


def tuned_strength(experiment: str, source: str, method: str) -> float | None:
    """Return the strength that was chosen for a method, `None` if it was not tuned."""
    file = tuning_file(experiment, source)
    if not file.is_file():
        return None
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    entry = result["methods"].get(method)
    return None if entry is None else float(entry["strength"])
