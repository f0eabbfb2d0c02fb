"""Finished run folders, read and checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avalanche_mas.metrics import (
    Matrix,
    as_accuracy_matrix,
    average_accuracy,
    average_forgetting,
    learning_accuracy,
)
from benchmarks.record.recipe import completed
from benchmarks.record.schema import CONFIG, RESULT, VERSIONS
from benchmarks.report.names import is_upper_bound

_CONFIG_KEYS = ("experiment", "method", "seed", "tasks", "source")

GRID = "strength_grid"
"""The field of `config.json` that marks a run whose strength is one of a grid."""


class ReportError(ValueError):
    """The runs cannot be reported; the message says which, why, and what to do."""


class Costs(NamedTuple):
    """What a run costs, over all of its tasks.

    Attributes:
        training_seconds: training.
        importance_seconds: the method's own work at the ends of tasks.
        peak_memory_mb: the most memory the process had, in 10⁶ bytes.
        stored_mb: tensors that the method keeps from task to task, in 10⁶ bytes; None for joint
            training, which needs the data of all tasks.
    """

    training_seconds: float
    importance_seconds: float
    peak_memory_mb: float
    stored_mb: float | None


@dataclass(frozen=True)
class FinishedRun:
    """What a finished run folder holds.

    Attributes:
        folder: its run folder.
        config: the contents of `config.json`, and what tasks were trained with before that was said.
        accuracy: accuracy matrix [T, T], NaN where not evaluated; its last row is complete.
        stand_ins: the tasks for which another data set stands in.
        costs: what it costs.
        result: the contents of `result.json`.
        versions: the contents of `versions.json`; empty where there is none.
    """

    folder: Path
    config: dict[str, Any]
    accuracy: Matrix
    stand_ins: tuple[str, ...]
    costs: Costs
    result: dict[str, Any]
    versions: dict[str, Any]

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.config["method"])

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.config["seed"])

    @property
    def grid_strength(self) -> float | None:
        """Its strength where it is one of a grid; None where the strength was chosen, or is none."""
        return self.config.get("strength") if self.config.get(GRID) else None

    @property
    def mean_accuracy(self) -> float:
        """Mean over tasks of the accuracy at the end, a fraction."""
        return average_accuracy(self.accuracy)

    @property
    def learned(self) -> float | None:
        """Mean over tasks of the accuracy when just learned; None where that was not evaluated."""
        return learning_accuracy(self.accuracy) if self._in_sequence else None

    @property
    def forgetting(self) -> float | None:
        """Mean drop of all tasks but the last, a fraction; None where there is none."""
        several = len(self.accuracy) > 1
        return average_forgetting(self.accuracy) if several and self._in_sequence else None

    @property
    def _in_sequence(self) -> bool:
        return not np.isnan(np.diagonal(self.accuracy)).any()

    def detail(self, key: str) -> Any:
        """What `result.json` has beside what every run's has.

        Raises:
            ReportError: it lacks this.
        """
        if key not in self.result:
            raise ReportError(
                f"{self.folder / RESULT} lacks {key!r}; remove the folder and run again"
            )
        return self.result[key]

    @property
    def for_tuning(self) -> bool:
        """Whether its accuracies are on validation data, to choose a strength by."""
        return bool(self.config.get("evaluated_on") == "valid")


def read_runs(paths: Sequence[Path]) -> list[FinishedRun]:
    """Every finished run at or below the paths.

    Raises:
        ReportError: a path does not exist, there is no finished run, or a file is corrupt.
    """
    for path in paths:
        if not path.exists():
            raise ReportError(f"{path} does not exist; make runs with `python -m benchmarks run`")
    folders = sorted({file.parent for path in paths for file in path.rglob(RESULT)})
    if not folders:
        listed = ", ".join(map(str, paths))
        raise ReportError(
            f"no finished run (a folder with {RESULT}) under {listed};"
            " make some with `python -m benchmarks run eight-tasks`"
        )
    return [read_run(folder) for folder in folders]


def read_run(folder: Path) -> FinishedRun:
    """The run in a finished run folder.

    Raises:
        ReportError: one of its files is missing, corrupt or lacks something; names the file.
    """
    config = completed(read_json(folder / CONFIG, _CONFIG_KEYS))
    keys = ("accuracy", "tasks", "stand_ins", "seconds", "peak_memory_mb", "stored_mb")
    result = read_json(folder / RESULT, keys)
    versions = read_json(folder / VERSIONS, ()) if (folder / VERSIONS).exists() else {}
    try:
        accuracy = as_accuracy_matrix(result["accuracy"])
        average_accuracy(accuracy)
        tasks = list(config["tasks"])
        if tasks != list(result["tasks"]) or len(tasks) != len(accuracy):
            raise ValueError(f"{CONFIG} and {RESULT} disagree about the tasks")
        return FinishedRun(
            folder,
            config,
            accuracy,
            tuple(result["stand_ins"]),
            _costs(config["method"], result),
            result,
            versions,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(
            f"{folder / RESULT} is not the result of a run: {error};"
            " remove the folder and run again"
        ) from error


def _costs(method: str, result: dict[str, Any]) -> Costs:
    stored = float(result["stored_mb"])
    return Costs(
        float(sum(result["seconds"]["train"])),
        float(sum(result["seconds"]["importance"])),
        float(result["peak_memory_mb"]),
        None if is_upper_bound(method) else stored,
    )


@contextmanager
def usable(what: str) -> Iterator[None]:
    """Turn what goes wrong with the contents of a file into a `ReportError` that names it."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(
            f"{what} cannot be used ({type(error).__name__}: {error});"
            " remove the folder and run again"
        ) from error


def read_json(file: Path, keys: Iterable[str]) -> dict[str, Any]:
    """The object in a JSON file that has all of the keys.

    Raises:
        ReportError: it is missing, corrupt or lacks one; names the file.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(
            f"{file} cannot be read ({error}); remove the folder and run again"
        ) from error
    if not isinstance(content, dict):
        raise ReportError(f"{file} holds no object; remove the folder and run again")
    for key in keys:
        if key not in content:
            raise ReportError(f"{file} lacks {key!r}; remove the folder and run again")
    return content
