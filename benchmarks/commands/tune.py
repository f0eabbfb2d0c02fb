"""The command `tune`: every method's strength is chosen in the same way, on validation data.

Each method that has a strength is run with five of them, a factor of ten apart around its usual
magnitude, with a seed that no reported run uses. The strength with the highest mean over the tasks
of the accuracy at the end, on the validation stream, is chosen; where that is the first or the last
of them, the grid goes on there. All scores are kept in the result file, from which `run` takes its
defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import TUNING_SEED, plan
from benchmarks.commands.run import launch
from benchmarks.experiments import EXPERIMENTS
from benchmarks.methods import METHODS
from benchmarks.record.files import write_json
from benchmarks.record.recipe import completed
from benchmarks.record.schema import CONFIG, RESULT, VERSIONS
from benchmarks.record.settings import Settings, differences
from benchmarks.record.tuned import tuning_file
from benchmarks.run.names import folder_of

FURTHER = 3
"""How many more strengths are tried at most where the best is at the edge of the grid."""

_OWN = ("method", "strength", "strength_from")
"""What differs between the runs of a grid."""


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks tune` with these arguments and return its exit status."""
    options = parse("tune", "Choose every method's strength on validation data.", arguments)
    return tune(options)


def tune(options: Options) -> int:
    """Run the grid of every method and write the chosen strengths.

    Raises:
        ValueError: Strengths or seeds are given, which tuning chooses itself; the experiment uses
            the strengths of another; or other methods were tuned under other conditions.
    """
    tuned = EXPERIMENTS[options.experiment].strength_of
    if tuned is not None:
        raise ValueError(f"{options.experiment} uses the strengths of {tuned}; tune that one")
    if options.strength or options.seeds != Options.seeds:
        raise ValueError("tune has its own seed and strengths; leave out --seeds and --strength")
    if options.lambda_ or options.choose:
        raise ValueError("tune chooses by a grid of its own; leave out --lambda and --choose")
    if options.evaluate_on == "test":
        raise ValueError("tune chooses on validation data; leave out --evaluate-on test")
    grids = _grids(options)
    runs = grid_runs(options, grids)
    file = tuning_file(runs[0][0].experiment, runs[0][0].source)
    _check_earlier(file, runs[0][0].as_json(), {"samples", "weights"})  # not known yet
    for further in range(FURTHER + 1):
        if launch(options, runs):
            print("nothing was chosen, as runs failed; the same command tries them again")
            return 1
        chosen = {method: best_strength(runs, method) for method in grids}
        wider = {m: extended(grids[m], best["strength"]) for m, best in chosen.items()}
        if wider == grids or further == FURTHER:
            break
        grids, runs = wider, grid_runs(options, wider)
    conditions = _conditions(runs[0][1])
    _check_earlier(file, conditions, set())
    write_json(file, {"configuration": conditions, "methods": {**_earlier(file), **chosen}})
    for method, entry in chosen.items():
        print(f"{method}: {entry['strength']:g}{'  AT THE EDGE of its grid' * entry['at_edge']}")
    print(f"written to {file}")
    return 0


def extended(grid: tuple[float, ...], best: float) -> tuple[float, ...]:
    """Return an ascending grid with one more strength beyond `best`, if that is at its edge."""
    if best == grid[0]:
        return (grid[0] / 10, *grid)
    return (*grid, 10 * grid[-1]) if best == grid[-1] else grid


def grid_runs(
    options: Options, grids: Mapping[str, tuple[float, ...]]
) -> list[tuple[Settings, Path]]:
    """Return every method's grid of runs and their folders, in `OUTPUT/tuning/strength=VALUE`."""
    runs = []
    for settings in plan(options):
        for value in grids.get(settings.method, ()):
            run = replace(
                settings,
                seed=TUNING_SEED,
                evaluated_on="valid",
                strength=value,
                strength_from="the tuning grid",
            )
            runs.append((run, folder_of(run, options.output / "tuning" / f"strength={value:g}")))
    return runs


def _grids(options: Options) -> dict[str, tuple[float, ...]]:
    methods = dict.fromkeys(settings.method for settings in plan(options))
    grids = {method: METHODS[method].grid for method in methods if METHODS[method].grid}
    if not grids:
        raise ValueError(f"none of {', '.join(methods)} has a strength to tune")
    return grids


def best_strength(runs: Sequence[tuple[Settings, Path]], method: str) -> dict[str, Any]:
    """Return a method's best strength, all its scores and the code, read from its run folders.

    Of equal scores the smaller strength is taken.
    """
    scores, code = [], []
    for run, folder in runs:
        if run.method == method:
            last = _read(folder / RESULT)["accuracy"][-1]
            scores.append({"strength": run.strength, "mean_accuracy": sum(last) / len(last)})
            code.append(_read(folder / VERSIONS)["code"])
    best = max(scores, key=lambda entry: entry["mean_accuracy"])
    edge = best in (scores[0], scores[-1])
    used = [one for k, one in enumerate(code) if one not in code[:k]]
    return {"strength": best["strength"], "at_edge": edge, "scores": scores, "code": used}


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _conditions(folder: Path) -> dict[str, Any]:
    """Return the configuration that all runs of the grid share, as one of them recorded it."""
    return {name: value for name, value in _read(folder / CONFIG).items() if name not in _OWN}


def _check_earlier(file: Path, now: dict[str, Any], unknown: set[str]) -> None:
    """Refuse to put strengths beside those that were tuned under other conditions."""
    if not file.is_file():
        return
    earlier = completed(_read(file)["configuration"])
    for name in differences(earlier, now):
        if name not in unknown.union(_OWN):
            raise ValueError(
                f"{file} holds strengths tuned under other conditions: {name} is "
                f"{earlier.get(name)!r} there, {now.get(name)!r} here; tune alike, or choose without "
                "that file: run with --choose framework, or try some strengths with --lambda VALUE "
                f"... --seeds {TUNING_SEED}, --evaluate-on valid, and give the best to --strength"
            )


def _earlier(file: Path) -> dict[str, Any]:
    """Return what the file holds of methods that were tuned before."""
    if not file.is_file():
        return {}
    methods: dict[str, Any] = _read(file)["methods"]
    return methods
