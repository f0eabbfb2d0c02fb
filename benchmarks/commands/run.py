"""The command `run`: everything is checked first, then every missing run is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import plan
from benchmarks.commands.sweeps import output_of_run, refuse_several
from benchmarks.record.settings import Settings
from benchmarks.run.names import folder_of


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks run` with these arguments and return its exit status."""
    return run_experiment(
        parse("run", "Train methods on a sequence of tasks, one run folder each.", arguments)
    )


def run_experiment(options: Options) -> int:
    """Do the runs that a command line asks for and return the exit status: 1 if any run failed."""
    settings = plan(options)
    output = output_of_run(options.output, os.environ)
    failed = launch(options, [(run, folder_of(run, output)) for run in settings])
    if failed:
        print(f"{failed} of {len(settings)} runs failed; the same command tries them again")
        return 1
    print(f"all in {output}; tables and figures: python -m benchmarks report {output}")
    return 0


def launch(options: Options, runs: Sequence[tuple[Settings, Path]]) -> int:
    """Do every run, or rest of a run, that is not in its folder yet; return how many failed.

    Args:
        options: The command line.
        runs: The configurations, without what the data and the weights tell, and their folders.
    """
    if options.wandb != "disabled":
        refuse_several(len(runs), os.environ)
    print("loading PyTorch and Avalanche ...", flush=True)
    from benchmarks.commands.launch import prepare, run_missing  # here, as that takes seconds

    return run_missing(*prepare(options, runs), options.retries)
