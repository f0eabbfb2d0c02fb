"""The preparation of planned runs.

Before the first run, it finds the weights, reads the data and checks all folders, so that an error
in any of them costs no training. This module loads PyTorch and Avalanche.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.commands.engine import choose_engine
from benchmarks.commands.options import Options
from benchmarks.engines import Engine
from benchmarks.experiments import EXPERIMENTS
from benchmarks.record.code_version import code_digest, code_version
from benchmarks.record.folders import is_finished, lock_of
from benchmarks.record.lock import check_free
from benchmarks.record.schema import CHECKPOINTS
from benchmarks.record.settings import Settings
from benchmarks.run.data import stream_of, with_data
from benchmarks.run.job import Job
from benchmarks.run.training.networks import network_for
from benchmarks.run.training.weights import describe_weights, find_weights


def prepare(options: Options, runs: Sequence[tuple[Settings, Path]]) -> tuple[list[Job], Engine]:
    """Check everything that runs need; return the runs that are not finished yet, and the engine.

    The configurations come without `samples` and `weights`.

    Raises:
        ValueError: The engine is not available, the network does not fit the data or the weights, or
            a folder holds something else.
        OSError: The weights or the data are missing or cannot be read, a result is damaged, or
            another process is doing one of the runs.
    """
    torch.set_num_threads(1)  # before anything else: see `engines/local.py`
    code_version(), code_digest()  # now, as processes are forked with the code that is loaded now
    engine = choose_engine(options, len(runs))
    model = runs[0][0].model  # all runs have the same network and weights
    weights = find_weights(model, options.weights, options.root)
    if weights is not None:
        print(f"initial weights: {weights}")
    _read_data(options, [run for run, _ in runs])
    # raises an error if network, data and weights do not fit together
    network_for(model, stream_of(runs[0][0], options.root), weights)
    described = describe_weights(weights)
    missing = []
    for run, folder in runs:
        settings = replace(with_data(run, stream_of(run, options.root)), weights=described)
        if options.config is not None and (other := options.config.unlike(settings)):
            print(f"unlike {options.config.file}: {other}")
        how = (engine.threads, options.wandb, options.tensorboard)
        job = Job(settings, folder, options.root, weights, *how)
        if is_finished(folder, settings):
            print(f"{job.title}: already there, in {folder}")
            # of a run killed just after its result
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        else:
            missing.append(job)
    for job in missing:
        check_free(lock_of(job.folder))
    return missing, engine


def _read_data(options: Options, runs: Sequence[Settings]) -> None:
    """Read the data of all runs once; the runs' processes are forked with them."""
    download = EXPERIMENTS[options.experiment].download
    if options.download and options.root is not None and download is not None:
        download()(options.root)
    tasks = dict.fromkeys(task for run in runs for task in run.tasks)
    print(f"reading the data: {', '.join(tasks)} ({runs[0].source}) ...", flush=True)
    for task in tasks if EXPERIMENTS[options.experiment].data_set is None else ():
        named = tuple(name for name in options.stand_ins if name == task)
        _read(replace(runs[0], tasks=(task,), stand_ins=named), options.root)
    for run in runs:
        stream_of(run, options.root)


def _read(run: Settings, root: Path | None) -> None:
    """Read one task, which streams are made of later, and say how long that took."""
    begin = time.perf_counter()
    images = sum(sum(task.sizes) for task in stream_of(run, root).tasks)
    print(f"  {run.tasks[0]}: {images} images, {time.perf_counter() - begin:.1f} s", flush=True)
