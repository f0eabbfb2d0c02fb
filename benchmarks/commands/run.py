"""The command `run`: check everything first, then do every missing run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.dry_run import show
from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import plan
from benchmarks.commands.sweeps import output_of_run, refuse_several
from benchmarks.record.folders import check_writable, refuse_another_run
from benchmarks.record.schema import RESULT
from benchmarks.record.settings import Settings
from benchmarks.run.names import folder_of


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks run` with these arguments and return its exit status."""
    return run_experiment(
        parse("run", "Train methods on sequences of tasks, one run folder each.", arguments)
    )


def run_experiment(options: Options) -> int:
    """Do the runs that a command line asks for; return 1 if any run failed, else 0."""
    settings = plan(options)
    output = output_of_run(options.output, os.environ)
    runs = [(run, folder_of(run, output)) for run in settings]
    if options.dry_run:
        return show(options, runs)
    failed = launch(options, runs)
    if failed:
        print(f"{failed} of {len(settings)} runs failed; repeat the command to try them again")
        return 1
    print(
        f"all runs are in {output}; for the tables: python -m benchmarks report {output}; for figures"
        " and report.html too, add --output DIR"
    )
    return 0


def launch(options: Options, runs: Sequence[tuple[Settings, Path]]) -> int:
    """Do or finish every run that is not finished yet; return how many failed.

    The configurations come without `samples` and `weights`.

    Raises:
        ValueError: A folder is a file, or holds another run.
        OSError: A folder is missing or cannot be written, or another command is at work in it.
    """
    check_places(options)
    if options.wandb != "disabled":
        refuse_several(len(runs), os.environ)
    for run, folder in runs:
        refuse_another_run(folder, run, planned=True)
        if not (folder / RESULT).exists():
            check_writable(folder)
    print("loading PyTorch and Avalanche ...", flush=True)
    from benchmarks.commands.launch import prepare  # here, as that takes seconds
    from benchmarks.engines import jobs

    missing, engine = prepare(options, runs)
    return len(jobs.run_all(missing, engine, options.retries, jobs.do)) if missing else 0


def check_places(options: Options) -> None:
    """Refuse files where folders are needed, and a folder of data that does not exist."""
    places = (options.output, *options.output.absolute().parents)
    there = next(place for place in places if place.exists())
    if not there.is_dir():
        raise ValueError(f"--output {options.output}: {there} is a file; name a folder")
    if options.root is None or options.root.is_dir():
        return
    if options.root.exists():
        raise ValueError(f"--root {options.root} is a file; name the folder that holds the data")
    raise FileNotFoundError(
        f"--root {options.root} does not exist; name the folder that holds the data, or leave it out "
        "for images drawn by code"
    )
