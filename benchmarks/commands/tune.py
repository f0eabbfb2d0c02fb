"""The command `tune`: choose the strength of every method in the same way, on validation data.

It runs each method that has a strength with five values, a factor of ten apart around the usual one,
and with a seed that no reported run uses. It chooses the strength with the highest accuracy at the
end, averaged over the tasks of the validation stream. Where that is the first or the last value, it
extends the grid. The result file keeps all scores, and `run` takes its defaults from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.commands.dry_run import show
from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import TUNING_SEED, plan, strengths_of
from benchmarks.commands.run import launch
from benchmarks.experiments import EXPERIMENTS
from benchmarks.methods import method_named
from benchmarks.record.files import read_json, write_json
from benchmarks.record.recipe import completed
from benchmarks.record.schema import CONFIG, RESULT, VERSIONS
from benchmarks.record.settings import Settings, differences
from benchmarks.record.tuned import tuning_file
from benchmarks.run.names import folder_of

FURTHER = 3
"""The most strengths to add where the best is at the edge of the grid."""

_OWN = ("method", "method_title", "strength", "strength_from")
"""The fields that differ between the runs of a grid."""


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks tune` with these arguments and return its exit status."""
    options = parse("tune", "Choose every method's strength on validation data.", arguments)
    return tune(options)


def tune(options: Options) -> int:
    """Run the grid of every method and write the chosen strengths.

    Raises:
        ValueError: The options set strengths or seeds, which tuning chooses itself; the experiment
            uses the strengths of another; or other methods were tuned under other conditions.
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
    file = tuning_file(strengths_of(runs[0][0]), runs[0][0].source)
    unknown = {"samples", "weights", *(["tasks"] if options.stream else [])}  # until data are read
    _check_earlier(file, runs[0][0].as_json(), unknown)
    if options.dry_run:
        return show(options, runs)
    for further in range(FURTHER + 1):
        if launch(options, runs):
            print("chose no strength, as runs failed; repeat the command to try them again")
            return 1
        chosen = {method: best_strength(runs, method) for method in grids}
        wider = {m: extended(grids[m], best["strength"]) for m, best in chosen.items()}
        if wider == grids or further == FURTHER:
            break
        grids, runs = wider, grid_runs(options, wider)
    recorded = read_json(runs[0][1] / CONFIG)  # all runs of the grids share the rest
    conditions = {name: value for name, value in recorded.items() if name not in _OWN}
    _check_earlier(file, conditions)
    earlier = read_json(file)["methods"] if file.is_file() else {}
    write_json(file, {"configuration": conditions, "methods": {**earlier, **chosen}})
    for method, entry in chosen.items():
        print(f"{method}: {entry['strength']:g}{'  AT THE EDGE of its grid' * entry['at_edge']}")
    print(f"wrote {file}")
    return 0


def extended(grid: tuple[float, ...], best: float) -> tuple[float, ...]:
    """Return an ascending grid, extended by one strength beyond `best` if that is at its edge."""
    if best == grid[0]:
        return (grid[0] / 10, *grid)
    return (*grid, 10 * grid[-1]) if best == grid[-1] else grid


def grid_runs(
    options: Options, grids: Mapping[str, tuple[float, ...]]
) -> list[tuple[Settings, Path]]:
    """Return every method's runs and their folders, in `OUTPUT/tuning/strength=VALUE`."""
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
    grids = {method: grid for method in methods if (grid := method_named(method).grid)}
    if not grids:
        raise ValueError(f"none of {', '.join(methods)} has a strength to tune")
    return grids


def best_strength(runs: Sequence[tuple[Settings, Path]], method: str) -> dict[str, Any]:
    """Return a method's best strength, all its scores and the code, read from its run folders.

    Of equal scores, take the smaller strength.
    """
    scores, code = [], []
    for run, folder in runs:
        if run.method == method:
            last = read_json(folder / RESULT)["accuracy"][-1]
            scores.append({"strength": run.strength, "mean_accuracy": sum(last) / len(last)})
            code.append(read_json(folder / VERSIONS)["code"])
    best = max(scores, key=lambda entry: entry["mean_accuracy"])
    edge = best in (scores[0], scores[-1])
    used = [one for k, one in enumerate(code) if one not in code[:k]]
    return {"strength": best["strength"], "at_edge": edge, "scores": scores, "code": used}


def _check_earlier(file: Path, now: dict[str, Any], unknown: set[str] | None = None) -> None:
    """Refuse to add strengths to a file with strengths tuned under other conditions."""
    if not file.is_file():
        return
    earlier = completed(read_json(file)["configuration"])
    for name in differences(earlier, now):
        if name not in (unknown or set()).union(_OWN):
            raise ValueError(
                f"{file} holds strengths tuned under other conditions: {name} is "
                f"{earlier.get(name)!r} there, {now.get(name)!r} here; tune alike, or choose without "
                "that file: run with --choose framework, or try some strengths with --lambda VALUE "
                f"... --seeds {TUNING_SEED}, --evaluate-on valid, and pass the best to --strength"
            )
