"""Finished run folders, read and checked."""

from __future__ import annotations

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
from avalanche_mas.options import guess
from benchmarks.record.checks import check
from benchmarks.record.files import read_json
from benchmarks.record.folders import folders_with
from benchmarks.record.recipe import completed
from benchmarks.record.schema import CONFIG, RESULT, VERSIONS, Result
from benchmarks.record.settings import Settings
from benchmarks.report.names import is_upper_bound

_CONFIG_KEYS = (
    *("experiment", "method", "seed", "tasks", "source"),
    *("model", "image_size", "epochs", "batch_size", "learning_rate"),
)

GRID = "strength_grid"
"""The field of `config.json` that marks a run whose strength belongs to a grid."""


class ReportError(ValueError):
    """An error about runs that cannot be reported; the message says which, why, and what to do."""


class DamagedRunError(ReportError):
    """An error about a run folder that lacks something or cannot be read."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(f"{what}; repeat the command of that run, or remove its folder")
        self.folder = folder


class Costs(NamedTuple):
    """The time and memory that a run took over all of its tasks, in seconds and 10⁶ bytes.

    `importance_seconds` is the method's own work at the ends of tasks, and `stored_mb` the
    tensors that it keeps from task to task: None for joint training, which needs the data of
    all tasks.
    """

    training_seconds: float
    importance_seconds: float
    evaluation_seconds: float
    total_seconds: float
    peak_memory_mb: float
    stored_mb: float | None


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, read from its folder: the contents of its JSON files, and what follows from them.

    The configuration is completed by the defaults of older runs, the versions are empty if
    there are none. The accuracy matrix [T, T] is NaN where not evaluated; its last row is
    complete.
    """

    folder: Path
    config: dict[str, Any]
    accuracy: Matrix
    stand_ins: tuple[str, ...]
    costs: Costs
    result: Result
    versions: dict[str, Any]

    @property
    def method(self) -> str:
        """The name of the method."""
        return str(self.config["method"])

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.config["seed"])

    @property
    def all_versions(self) -> list[dict[str, Any]]:
        """The versions that it began with, and those that it was continued with."""
        return [self.versions, *self.versions.get("continued", ())]

    @property
    def grid_strength(self) -> float | None:
        """Its strength if that belongs to a grid; otherwise None."""
        return self.config.get("strength") if self.config.get(GRID) else None

    @property
    def mean_accuracy(self) -> float:
        """The accuracy at the end, a fraction, mean over tasks."""
        return average_accuracy(self.accuracy)

    @property
    def learned(self) -> float | None:
        """The accuracy when just learned, mean over tasks; None if that was not evaluated."""
        return learning_accuracy(self.accuracy) if self._in_sequence else None

    @property
    def forgetting(self) -> float | None:
        """The drop of all tasks but the last, a fraction, mean over tasks; None if there is none."""
        several = len(self.accuracy) > 1
        return average_forgetting(self.accuracy) if several and self._in_sequence else None

    @property
    def _in_sequence(self) -> bool:
        return not np.isnan(np.diagonal(self.accuracy)).any()

    def detail(self, key: str) -> Any:
        """Return an entry of `result.json` that only some runs have, or raise `DamagedRunError`."""
        if key not in self.result:
            raise DamagedRunError(self.folder, f"{self.folder / RESULT} lacks {key!r}")
        return self.result.get(key)

    @property
    def for_tuning(self) -> bool:
        """Whether its accuracies are on validation data, for tuning."""
        return bool(self.config.get("evaluated_on") == "valid")


def read_runs(paths: Sequence[Path]) -> list[FinishedRun]:
    """Read every finished run at or below the paths.

    Raises:
        ReportError: A path does not exist, there is no finished run, or a file is corrupt.
    """
    return list(map(read_run, finished_folders(paths)))


def finished_folders(paths: Sequence[Path]) -> list[Path]:
    """Return the folders of all finished runs at or below the paths.

    Raises:
        ReportError: A path does not exist, or there is no finished run.
    """
    for path in paths:
        if not path.exists():
            beside = path.absolute().parent
            meant = guess(path.name, (one.name for one in beside.glob("*")))
            way = meant or "; make runs with `python -m benchmarks run`"
            raise ReportError(f"{path} does not exist{way}")
    folders = sorted(folders_with(RESULT, paths))
    if not folders:
        listed = ", ".join(map(str, paths))
        raise ReportError(
            f"no finished run (a folder with {RESULT}) under {listed};"
            " make some with `python -m benchmarks run eight-tasks`"
        )
    return folders


def read_run(folder: Path) -> FinishedRun:
    """Read the run in a finished run folder.

    Raises:
        ReportError: A file is missing, corrupt or incomplete; the message names it.
    """
    config = _titled(completed(read_object(folder / CONFIG, Settings, _CONFIG_KEYS)))
    result: Result = read_object(folder / RESULT, Result)
    there = (folder / VERSIONS).exists()
    versions = read_object(folder / VERSIONS, dict[str, Any]) if there else {}
    with usable(folder / VERSIONS):
        check(versions.get("continued", []), list[dict[str, Any]], "it['continued']")
    with usable(folder / RESULT):
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


def _titled(config: dict[str, Any]) -> dict[str, Any]:
    """Call a method given by import path by its title, which the run recorded: nothing is imported."""
    title = config.pop("method_title", None)
    if title is None:
        return config
    return {**config, "method": title, "method_path": config["method"]}


def _costs(method: str, result: Result) -> Costs:
    seconds, stored = result["seconds"], float(result["stored_mb"])
    return Costs(
        float(sum(seconds["train"])),
        float(sum(seconds["importance"])),
        float(sum(seconds["eval"])),
        float(seconds["total"]),
        float(result["peak_memory_mb"]),
        None if is_upper_bound(method) else stored,
    )


@contextmanager
def usable(file: Path, what: str = "") -> Iterator[None]:
    """Turn errors about the contents of a file of a run, or what it holds, into a `DamagedRunError`."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ZeroDivisionError) as error:
        if isinstance(error, ReportError):
            raise
        text = f"{what} in {file}" if what else str(file)
        reason = f"{type(error).__name__}: {error}"
        raise DamagedRunError(file.parent, f"{text} cannot be used ({reason})") from error


def read_object(file: Path, kind: Any, keys: Iterable[str] = ()) -> Any:
    """Read the object in a JSON file, of a type of `schema` or `Settings`, with all of the keys.

    Raises:
        ReportError: The file is missing or corrupt, of another type, or lacks a key; the message names it.
    """
    try:
        content = read_json(file)
    except (OSError, ValueError) as error:
        raise DamagedRunError(file.parent, str(error)) from error
    if not isinstance(content, dict):
        raise DamagedRunError(file.parent, f"{file} holds no object")
    with usable(file):
        check(content, kind, "it")
        for key in keys:
            if key not in content:
                raise ValueError(f"it lacks {key!r}")
    return content
