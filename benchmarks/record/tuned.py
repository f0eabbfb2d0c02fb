"""The strengths found by tuning: written by `tune`, read by `run` as its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import TypedDict

from benchmarks.record.files import RESULTS, read_json

TUNED = "tuning on validation data"
"""How a run records that a strength came from here."""

TUNING = RESULTS / "tuning"


NEAR = 0.05
"""How far below the best accuracy a strength may be to count as usable, as a fraction."""


class CurvePoint(TypedDict):
    """What tuning measured with one strength: fractions, one for each seed.

    `stopped` counts the runs whose training broke, as a loss was not finite: their accuracy is 0.
    The last two are `None` then, and for joint training, which learns no task after another.
    """

    strength: float | None
    accuracy: list[float]
    stopped: int
    forgetting: list[float] | None
    learned: list[float] | None


class TunedMethod(TypedDict):
    """A method's chosen strength, whether its grid ended there, all strengths, and the code used."""

    strength: float | None
    at_edge: bool
    curve: list[CurvePoint]
    code: list[dict[str, Any] | None]


def near_best(accuracies: Sequence[float]) -> range:
    """Return the places around the highest accuracy, without a gap, that are within `NEAR` of it."""
    first = last = best = accuracies.index(max(accuracies))
    while first > 0 and accuracies[first - 1] >= accuracies[best] - NEAR:
        first -= 1
    while last + 1 < len(accuracies) and accuracies[last + 1] >= accuracies[best] - NEAR:
        last += 1
    return range(first, last + 1)


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
    if entry is None or entry["strength"] is None:
        return None
    return Tuned(float(entry["strength"]), result["configuration"])
