"""The command `run`: everything is checked first, then every missing run is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import plan
from benchmarks.commands.sweeps import output_of_run, refuse_several
from benchmarks.record.settings import Settings
from benchmarks.run.names import folder_of, title_of


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks run` with these arguments and return its exit status."""
    options = parse("run", "Train methods on a sequence of tasks, one run folder each.", arguments)
    return run_experiment(options)


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

    Before the first one the weights are found, the data read and all folders looked at, so that
    what is wrong with any of them costs no training.

    Args:
        options: The command line.
        runs: The configurations, without what the data and the weights tell, and their folders.
    """
    if options.wandb != "disabled":
        refuse_several(len(runs), os.environ)
    print("loading PyTorch and Avalanche ...", flush=True)
    import torch

    from benchmarks.commands.engine import choose_engine
    from benchmarks.engines.jobs import do, run_all
    from benchmarks.experiments.digits.mnist import fetch_mnist
    from benchmarks.record.code_version import code_digest, code_version
    from benchmarks.record.folders import is_finished
    from benchmarks.run.checkpoint import CHECKPOINT
    from benchmarks.run.data import stream_of
    from benchmarks.run.job import Job
    from benchmarks.run.runner import with_data
    from benchmarks.run.training.models import MODELS
    from benchmarks.run.training.networks import network_for
    from benchmarks.run.training.weights import describe_weights, find_weights

    torch.set_num_threads(1)  # before anything else: see `engines/local.py`
    for of_code in (code_version, code_digest):
        of_code()  # now, as the runs' processes are forked with the code that is loaded now
    engine = choose_engine(options, len(runs))
    first = runs[0][0]
    weights = find_weights(MODELS[first.model], options.weights, options.root)
    if weights is not None:
        print(f"initial weights: {weights}")
    if options.download and options.root is not None:
        fetch_mnist(options.root)
    tasks = dict.fromkeys(task for run, _ in runs for task in run.tasks)
    print(f"reading the data: {', '.join(tasks)} ({first.source}) ...", flush=True)
    for run, _ in runs:
        stream_of(run, options.root)
    network_for(first.model, stream_of(first, options.root), weights)  # or it says what is wrong
    described = describe_weights(weights)
    missing = []
    for run, folder in runs:
        complete = replace(with_data(run, stream_of(run, options.root)), weights=described)
        job = Job(
            complete,
            folder,
            options.root,
            weights,
            engine.threads,
            options.wandb,
            options.tensorboard,
        )
        if is_finished(folder, complete):
            (folder / CHECKPOINT).unlink(missing_ok=True)  # of a run killed just after its result
            print(f"{title_of(complete)}: already there, in {folder}")
        else:
            missing.append(job)
    return len(run_all(missing, engine, options.retries, do)) if missing else 0
