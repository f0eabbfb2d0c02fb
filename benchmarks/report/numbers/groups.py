"""Groups of finished runs that one table compares."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks.experiments.sequences import task_title
from benchmarks.record.settings import NOTES
from benchmarks.report.names import experiment_named, in_order, method_named
from benchmarks.report.numbers.runs import GRID, FinishedRun, ReportError

PER_RUN = frozenset({"method", "method_path", "seed", "strength", *NOTES})
"""The fields of `config.json` that may differ between the runs of a group."""

VARIANT = ("importance_on", "strength_share")
"""The fields, besides the tasks, that make separate groups; so does each strength of a grid."""


@dataclass(frozen=True)
class Group:
    """Runs that one table compares: same data, model and budget; methods and seeds differ.

    The name is short, for files; the configuration is what the runs share; the runs of each
    method are sorted by seed.
    """

    name: str
    config: dict[str, Any]
    runs: dict[str, list[FinishedRun]]

    @property
    def tasks(self) -> list[str]:
        """The tasks, in the order in which they are learned."""
        return list(self.config["tasks"])

    @property
    def everything(self) -> list[FinishedRun]:
        """All runs, in the order of the tables."""
        return [run for method in in_order(self.runs) for run in self.runs[method]]

    @property
    def in_grid(self) -> bool:
        """Whether its strengths belong to a grid, with a group for each."""
        return bool(self.config.get(GRID))

    @property
    def stand_ins(self) -> list[str]:
        """The tasks for which another data set stands in, in any run."""
        found = {task for run in self.everything for task in run.stand_ins}
        return [task for task in self.tasks if task in found]

    @property
    def labels(self) -> list[str]:
        """The tasks' names in print, with a dagger for stand-ins of real data sets."""
        marked = [] if self.config["source"] == "drawn" else self.stand_ins
        return [task_title(task) + ("†" if task in marked else "") for task in self.tasks]


def runs_of(groups: Iterable[Group]) -> list[FinishedRun]:
    """Return all runs of some groups."""
    return [run for group in groups for run in group.everything]


def group(runs: Sequence[FinishedRun]) -> list[Group]:
    """Group runs by experiment, source of the data, tasks and variant.

    Runs for tuning are left out. The groups of one page have its name.

    Raises:
        ReportError: All runs are for tuning, or runs that belong to one table differ in their data or
            in a field that must agree.
    """
    members: dict[tuple[tuple[str, ...], tuple[str, ...]], list[FinishedRun]] = {}
    for run in runs:
        if not run.for_tuning:
            members.setdefault((_page_of(run), _place_of(run)), []).append(run)
    if not members:
        raise ReportError(
            f"{runs[0].folder} and all others are runs on validation data, which are for tuning;"
            " make runs to report with `python -m benchmarks run`"
        )
    names = _short_names(list(dict.fromkeys(page for page, _ in members)))
    return [_group(names[key[0]], same) for key, same in sorted(members.items())]


def _page_of(run: FinishedRun) -> tuple[str, ...]:
    """Return what the runs of a page share: experiment, choice of λ, data and mostly tasks."""
    experiment, tasks = run.config["experiment"], tuple(run.config["tasks"])
    together = experiment_named(experiment).together
    shared = {"none": tasks, "same tasks": tuple(sorted(tasks)), "all": ()}[together]
    name = "-".join(filter(None, (experiment, run.config.get("choose"))))
    return (name, run.config["source"], *shared)


def _place_of(run: FinishedRun) -> tuple[str, ...]:
    """Return what the runs of a group on a page share."""
    variant = [*(run.config.get(field) for field in VARIANT), run.grid_strength]
    return (*run.config["tasks"], *map(str, variant))


def _group(name: str, runs: list[FinishedRun]) -> Group:
    _check_splits(runs)
    first = next((run for run in runs if not _fixed(run)), runs[0])
    by_method: dict[str, list[FinishedRun]] = {}
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


def _check_same(one: FinishedRun, other: FinishedRun, keys: set[str]) -> None:
    keys = keys - _fixed(one) - _fixed(other)
    for key in [key for key in {**one.config, **other.config} if key in keys]:
        if one.config.get(key) != other.config.get(key):
            values = f"{one.config.get(key)!r} and {other.config.get(key)!r}"
            raise ReportError(
                f"{one.folder} and {other.folder} cannot be in one table: they differ in {key},"
                f" {values}; report them separately"
            )


def _check_splits(runs: Iterable[FinishedRun]) -> None:
    """Refuse runs that record another division of a task's images into as many of each part."""
    known: dict[str, tuple[str, FinishedRun]] = {}
    for run in runs:
        for task, fact in zip(run.config["tasks"], run.result.get("data", ()), strict=False):
            split, other = known.setdefault(task, (fact["split"], run))
            if fact["split"] != split:
                raise ReportError(
                    f"{other.folder} and {run.folder} cannot be in one table: the images of {task} are"
                    f" divided otherwise, {split!r} and {fact['split']!r}; report them separately"
                )


def _fixed(run: FinishedRun) -> set[str]:
    """Return the fields of a run's configuration that its method fixes."""
    return set(method_named(run.method).training)


def check_together(groups: Sequence[Group], may_differ: Collection[str]) -> None:
    """Raise ReportError if groups of one page differ in a field that must agree.

    A method must have the same strength in all, except for its share.
    """
    runs = runs_of(groups)
    chosen: dict[tuple[Any, ...], FinishedRun] = {}
    for run in runs:
        _check_same(
            runs[0], run, (runs[0].config.keys() | run.config.keys()) - PER_RUN - {*may_differ}
        )
        same = (run.method, run.config.get("strength_share"), run.grid_strength)
        _check_same(chosen.setdefault(same, run), run, {"strength"})


def _short_names(keys: list[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Return distinct names: the experiment, and if needed the source and the tasks."""
    for length in (1, 2, None):
        names = [re.sub(r"[^\w.-]+", "-", "-".join(key[:length])) for key in keys]
        if len(set(names)) == len(names):
            break
    return dict(zip(keys, names, strict=True))
