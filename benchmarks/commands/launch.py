"""From planned runs to finished ones: what is checked before anything starts, and what is run.

The weights are found, the data read and all folders looked at before the first run, so that what is
wrong with any of them costs no training. PyTorch and Avalanche are loaded with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.commands.engine import choose_engine
from benchmarks.commands.options import Options
from benchmarks.engines import Engine, jobs
from benchmarks.experiments.digits.mnist import fetch_mnist
from benchmarks.record.code_version import code_digest, code_version
from benchmarks.record.folders import is_finished
from benchmarks.record.schema import CHECKPOINT
from benchmarks.record.settings import Settings
from benchmarks.run.data import stream_of
from benchmarks.run.job import Job
from benchmarks.run.names import title_of
from benchmarks.run.runner import with_data
from benchmarks.run.training.models import MODELS
from benchmarks.run.training.networks import network_for
from benchmarks.run.training.weights import describe_weights, find_weights


def prepare(options: Options, runs: Sequence[tuple[Settings, Path]]) -> tuple[list[Job], Engine]:
    """Check all that runs need; return those that are not in their folders yet, and the engine.

    Args:
        options: The command line.
        runs: The configurations, without what the data and the weights tell, and their folders.

    Raises:
        ValueError: The engine cannot be had, the network does not fit the data or the weights, or a
            folder holds something else.
        OSError: The weights or the data are not there or cannot be read.
    """
    torch.set_num_threads(1)  # before anything else: see `engines/local.py`
    code_version(), code_digest()  # now, as processes are forked with the code that is loaded now
    engine = choose_engine(options, len(runs))
    weights = _weights(options, runs[0][0])
    _read_data(options, [run for run, _ in runs])
    # it says if network, data and weights do not go together
    network_for(runs[0][0].model, stream_of(runs[0][0], options.root), weights)
    described = describe_weights(weights)
    missing = []
    for run, folder in runs:
        settings = replace(with_data(run, stream_of(run, options.root)), weights=described)
        if _is_done(settings, folder):
            print(f"{title_of(settings)}: already there, in {folder}")
        else:
            told = (engine.threads, options.wandb, options.tensorboard)
            missing.append(Job(settings, folder, options.root, weights, *told))
    return missing, engine


def _weights(options: Options, run: Settings) -> Path | None:
    """Return the file of the initial weights, which is the same for all runs."""
    weights = find_weights(MODELS[run.model], options.weights, options.root)
    if weights is not None:
        print(f"initial weights: {weights}")
    return weights


def _read_data(options: Options, runs: Sequence[Settings]) -> None:
    """Read the data of all runs, once; the runs' processes are forked with them."""
    if options.download and options.root is not None:
        fetch_mnist(options.root)
    tasks = dict.fromkeys(task for run in runs for task in run.tasks)
    print(f"reading the data: {', '.join(tasks)} ({runs[0].source}) ...", flush=True)
    for run in runs:
        stream_of(run, options.root)


def _is_done(settings: Settings, folder: Path) -> bool:
    """Return whether a run is in its folder; its checkpoint is then of no more use."""
    done = is_finished(folder, settings)
    if done:
        (folder / CHECKPOINT).unlink(missing_ok=True)  # of a run killed just after its result
    return done


def run_missing(missing: Sequence[Job], engine: Engine, retries: int) -> int:
    """Do the runs and return how many failed."""
    return len(jobs.run_all(missing, engine, retries, jobs.do)) if missing else 0
