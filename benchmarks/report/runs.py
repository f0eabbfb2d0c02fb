"""Finished run folders, read and checked, and put together where they belong together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from avalanche_mas.accuracy import Matrix, as_accuracy_matrix, average_accuracy
from benchmarks.report.style import task_title

CONFIG, RESULT = "config.json", "result.json"

PER_RUN = frozenset({"method", "seed", "strength", "strength_from", "root_note"})
"""What may differ between the runs of one table: all else in `config.json` has to agree."""


class ReportError(ValueError):
    """The runs cannot be reported; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        folder: its run folder.
        config: the contents of `config.json`.
        accuracy: accuracy matrix [T, T], NaN where not evaluated; its last row is complete.
        stand_ins: the tasks for which another data set stands in.
        train_seconds: training, over all tasks.
        importance_seconds: the method's own work at the ends of tasks, over all tasks.
        peak_memory_mb: the most memory the process had, in 10⁶ bytes.
        stored_mb: tensors that the method keeps from task to task, in 10⁶ bytes.
    """

    folder: Path
    config: dict[str, Any]
    accuracy: Matrix
    stand_ins: tuple[str, ...]
    train_seconds: float
    importance_seconds: float
    peak_memory_mb: float
    stored_mb: float

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.config["method"])

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.config["seed"])

    @property
    def for_tuning(self) -> bool:
        """Whether its accuracies are on validation data, to choose a strength by."""
        return bool(self.config.get("evaluated_on") == "valid")


@dataclass(frozen=True)
class Group:
    """Runs that one table compares: same data, model and budget; methods and seeds differ.

    Attributes:
        name: short name, used for files.
        config: what the runs have in common.
        runs: methods and their runs by seed.
    """

    name: str
    config: dict[str, Any]
    runs: dict[str, list[Run]]

    @property
    def tasks(self) -> list[str]:
        """The tasks, in the order in which they are learned."""
        return list(self.config["tasks"])

    @property
    def stand_ins(self) -> set[str]:
        """The tasks for which another data set stands in, in any run."""
        return {task for runs in self.runs.values() for run in runs for task in run.stand_ins}

    @property
    def labels(self) -> list[str]:
        """The tasks' names in print, with a dagger where something stands in for a real data set."""
        marked = set() if self.config["source"] == "drawn" else self.stand_ins
        return [task_title(task) + ("†" if task in marked else "") for task in self.tasks]


def read_runs(paths: Sequence[Path]) -> list[Run]:
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


def group(runs: Sequence[Run]) -> list[Group]:
    """The runs grouped by experiment, source of the data and tasks; those for tuning are left out.

    Raises:
        ReportError: all runs are for tuning, or runs that belong to one table differ in what has
            to agree.
    """
    members: dict[tuple[str, ...], list[Run]] = {}
    for run in runs:
        if not run.for_tuning:
            config = run.config
            key = (config["experiment"], config["source"], *config["tasks"])
            members.setdefault(key, []).append(run)
    if not members:
        raise ReportError(
            f"{runs[0].folder} and all others are runs on validation data, which are for tuning;"
            " make runs to report with `python -m benchmarks run`"
        )
    names = _short_names(list(members))
    return [_group(names[key], same) for key, same in sorted(members.items())]


def read_run(folder: Path) -> Run:
    """The run in a finished run folder.

    Raises:
        ReportError: one of its files is missing, corrupt or lacks something; names the file.
    """
    config = _read(folder / CONFIG, ("experiment", "method", "seed", "tasks", "source"))
    keys = ("accuracy", "tasks", "stand_ins", "seconds", "peak_memory_mb", "stored_mb")
    result = _read(folder / RESULT, keys)
    try:
        accuracy = as_accuracy_matrix(result["accuracy"])
        average_accuracy(accuracy)
        tasks = list(config["tasks"])
        if tasks != list(result["tasks"]) or len(tasks) != len(accuracy):
            raise ValueError(f"{CONFIG} and {RESULT} disagree about the tasks")
        return Run(
            folder,
            config,
            accuracy,
            tuple(result["stand_ins"]),
            float(sum(result["seconds"]["train"])),
            float(sum(result["seconds"]["importance"])),
            float(result["peak_memory_mb"]),
            float(result["stored_mb"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(
            f"{folder / RESULT} is not the result of a run: {error};"
            " remove the folder and run again"
        ) from error


def _read(file: Path, keys: Iterable[str]) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReportError(
            f"{file} cannot be read ({error}); remove the folder and run again"
        ) from error
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise ReportError(f"{file} lacks {missing[0]!r}; remove the folder and run again")
    return dict(content)


def _group(name: str, runs: list[Run]) -> Group:
    first = runs[0]
    by_method: dict[str, list[Run]] = {}
    for run in runs:
        _check_same(first, run, (first.config.keys() | run.config.keys()) - PER_RUN)
        same_method = by_method.setdefault(run.method, [run])
        _check_same(same_method[0], run, {"strength"})
        if run is not same_method[0]:
            same_method.append(run)
    for same_method in by_method.values():
        same_method.sort(key=lambda run: run.seed)
        for run, other in pairwise(same_method):
            if run.seed == other.seed:
                raise ReportError(
                    f"{run.folder} and {other.folder} are both {run.method} with seed {run.seed};"
                    " report one of them"
                )
    shared = {key: value for key, value in first.config.items() if key not in PER_RUN}
    return Group(name, shared, by_method)


def _check_same(one: Run, other: Run, keys: set[str]) -> None:
    for key in [key for key in {**one.config, **other.config} if key in keys]:
        if one.config.get(key) != other.config.get(key):
            values = f"{one.config.get(key)!r} and {other.config.get(key)!r}"
            raise ReportError(
                f"{one.folder} and {other.folder} cannot be in one table: they differ in {key},"
                f" {values}; report them separately"
            )


def _short_names(keys: list[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Names that tell the groups apart: experiment, then its source, then the tasks as needed."""
    for length in (1, 2):
        names = ["-".join(key[:length]) for key in keys]
        if len(set(names)) == len(names):
            return dict(zip(keys, names, strict=True))
    return {key: "-".join(key) for key in keys}
