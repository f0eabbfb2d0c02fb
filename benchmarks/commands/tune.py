"""The command `tune`: choose the strength of every method in the same way, on validation data.

It runs each method that has a strength with nine values in steps of √10 around the usual one, with seeds
that no reported run uses. It chooses the strength with the highest accuracy at the end, averaged over
the tasks of the validation stream and over the seeds. The grid grows until it shows where a method is
too weak and where it is too strong. The result file keeps every run's numbers, from which the report
draws the methods' curves, and `run` takes its defaults from it. Methods without a strength run once per
seed, to compare the curves with.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from avalanche_mas.metrics import (
    as_accuracy_matrix,
    average_accuracy,
    average_forgetting,
    learning_accuracy,
)
from benchmarks.commands.dry_run import show
from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import TUNING_SEED, plan
from benchmarks.commands.run import launch
from benchmarks.commands.strengths import strengths_of
from benchmarks.experiments import EXPERIMENTS
from benchmarks.methods import method_named
from benchmarks.methods.method import rounded
from benchmarks.record.files import read_json, write_json
from benchmarks.record.folders import broke, check_writable, distinct, stopped
from benchmarks.record.recipe import completed
from benchmarks.record.schema import CONFIG, RESULT, VERSIONS
from benchmarks.record.settings import Settings, differences
from benchmarks.record.tuned import CurvePoint, TunedMethod, near_best, tuning_file
from benchmarks.run.names import folder_of

FURTHER = 3
"""The most strengths to add at each end of a grid."""

_OWN = ("method", "method_title", "seed", "strength", "strength_from")
"""The fields that differ between the runs of a grid."""

Grid: TypeAlias = tuple[float | None, ...]
"""Strengths in ascending order; a single `None` for a method without one."""


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks tune` with these arguments and return its exit status."""
    options = parse("tune", "Choose every method's strength on validation data.", arguments)
    return tune(options)


def tune(options: Options) -> int:
    """Run the grid of every method and write the chosen strengths.

    Raises:
        ValueError: The options set strengths, which tuning chooses itself; the experiment uses the
            strengths of another; or other methods were tuned under other conditions.
    """
    tuned = EXPERIMENTS[options.experiment].strength_of
    if tuned is not None:
        raise ValueError(f"{options.experiment} uses the strengths of {tuned}; tune that one")
    if options.strength or options.lambda_ or options.choose:
        raise ValueError(
            "tune chooses by a grid of its own; leave out --strength, --lambda and --choose"
        )
    if options.evaluate_on == "test":
        raise ValueError("tune chooses on validation data; leave out --evaluate-on test")
    options = replace(
        options,
        seeds=tuple(TUNING_SEED + seed for seed in options.seeds),
        evaluate_on="valid",
    )
    grids = _grids(options)
    runs = grid_runs(options, grids)
    file = tuning_file(strengths_of(runs[0][0]), runs[0][0].source)
    own = {*_OWN, *method_named(runs[0][0].method).training}
    unknown = {"samples", "weights", *(["tasks"] if options.stream else [])}  # until data are read
    _check_earlier(file, runs[0][0].as_json(), own | unknown)
    if options.dry_run:
        return show(options, runs)
    check_writable(file.parent, "the strengths are to be written there: make that folder writable")
    for further in range(FURTHER + 1):
        if not _ended(options, runs):
            print("chose no strength, as runs failed; repeat the command to try them again")
            return 1
        found = {method: tuned_method(runs, method) for method in grids}
        wider = {method: extended(grid, found[method]["curve"]) for method, grid in grids.items()}
        if wider == grids or further == FURTHER:
            break
        grids, runs = wider, grid_runs(options, wider)
    recorded = read_json(runs[0][1] / CONFIG)  # all runs of the grids share the rest
    conditions = {name: value for name, value in recorded.items() if name not in own}
    _check_earlier(file, conditions, own)
    earlier = read_json(file) if file.is_file() else {"configuration": {}, "methods": {}}
    write_json(
        file,
        {
            name: {**earlier[name], **new}
            for name, new in (("configuration", conditions), ("methods", found))
        },
    )
    for method, entry in found.items():
        if entry["strength"] is not None:
            print(
                f"{method}: {entry['strength']:g}{'  AT THE EDGE of its grid' * entry['at_edge']}"
            )
    print(f"wrote {file}")
    return 0


def _ended(options: Options, runs: Sequence[tuple[Settings, Path]]) -> bool:
    """Do the runs that are missing, and return whether each has a result or broke in training."""
    if left := [(run, folder) for run, folder in runs if not broke(folder, run)]:
        launch(options, left)
    return all((folder / RESULT).is_file() or broke(folder, run) for run, folder in runs)


def extended(grid: Grid, curve: Sequence[CurvePoint]) -> Grid:
    """Return a grid in steps of √10, with one more strength at each end that is still near the best."""
    values = [value for value in grid if value is not None]
    if not values:
        return grid
    near = near_best([statistics.fmean(point["accuracy"]) for point in curve])
    weaker = (rounded(values[1] / 10),) if near[0] == 0 else ()
    stronger = (rounded(values[-2] * 10),) if near[-1] == len(grid) - 1 else ()
    return (*weaker, *grid, *stronger)


def grid_runs(options: Options, grids: Mapping[str, Grid]) -> list[tuple[Settings, Path]]:
    """Return every method's runs and their folders, in `OUTPUT/tuning/strength=VALUE`."""
    runs = []
    for settings in plan(options):
        for value in grids.get(settings.method, ()):
            run, folder = settings, options.output / "tuning"
            if value is not None:
                run = replace(run, strength=value, strength_from="the tuning grid")
                folder /= f"strength={value:g}"
            runs.append((run, folder_of(run, folder)))
    return runs


def _grids(options: Options) -> dict[str, Grid]:
    """Return the grid of every method that is not tuned as another."""
    methods = dict.fromkeys(settings.method for settings in plan(options))
    own = [one for one in map(method_named, methods) if one.tuned_as is None]
    if not any(method.grid for method in own):
        raise ValueError(f"none of {', '.join(methods)} has a strength to tune")
    return {method.name: method.grid or (None,) for method in own}


def tuned_method(runs: Sequence[tuple[Settings, Path]], method: str) -> TunedMethod:
    """Return a method's best strength and its whole curve, read from its run folders.

    Of equally good strengths, take the smaller one.
    """
    curve: dict[float | None, list[Path]] = {}
    for run, folder in runs:
        if run.method == method:
            curve.setdefault(run.strength, []).append(folder)
    points = [_point(strength, folders) for strength, folders in curve.items()]
    best = max(points, key=lambda point: statistics.fmean(point["accuracy"]))
    code = [read_json(folder / VERSIONS)["code"] for own in curve.values() for folder in own]
    return {
        "strength": best["strength"],
        "at_edge": len(points) > 1 and best in (points[0], points[-1]),
        "curve": points,
        "code": distinct(code),
    }


def _point(strength: float | None, folders: Sequence[Path]) -> CurvePoint:
    """Return the numbers of a strength's runs, one per seed, as fractions."""
    matrices = [
        as_accuracy_matrix(read_json(folder / RESULT)["accuracy"])
        for folder in folders
        if not stopped(folder)
    ]
    broken = len(folders) - len(matrices)
    rowwise = not broken and not any(np.isnan(np.diagonal(matrix)).any() for matrix in matrices)
    return {
        "strength": strength,
        "accuracy": [*(average_accuracy(matrix) for matrix in matrices), *[0.0] * broken],
        "stopped": broken,
        "forgetting": [average_forgetting(matrix) for matrix in matrices] if rowwise else None,
        "learned": [learning_accuracy(matrix) for matrix in matrices] if rowwise else None,
    }


def _check_earlier(file: Path, now: dict[str, Any], ignored: Collection[str]) -> None:
    """Refuse to add strengths to a file with strengths tuned under other conditions."""
    if not file.is_file():
        return
    earlier = completed(read_json(file)["configuration"])
    for name in differences(earlier, now):
        if name not in ignored:
            raise ValueError(
                f"{file} holds strengths tuned under other conditions: {name} is "
                f"{earlier.get(name)!r} there, {now.get(name)!r} here; tune alike, or choose without "
                "that file: run with --choose framework, or try some strengths with --lambda VALUE "
                f"... --seeds {TUNING_SEED}, --evaluate-on valid, and pass the best to --strength"
            )
