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

from avalanche_mas.models import SharedHeadNetwork
from avalanche_mas.streams import TaskBenchmark
from benchmarks.commands.engine import choose_engine
from benchmarks.commands.options import Options
from benchmarks.commands.strengths import USUAL
from benchmarks.engines import Engine
from benchmarks.experiments import EXPERIMENTS
from benchmarks.record.code_version import code_digest, code_version
from benchmarks.record.files import read_json
from benchmarks.record.folders import is_finished, lock_of
from benchmarks.record.imported import is_path
from benchmarks.record.lock import check_free
from benchmarks.record.schema import CHECKPOINTS, RESULT
from benchmarks.record.settings import Settings
from benchmarks.run.data import stream_of, with_data
from benchmarks.run.job import Job
from benchmarks.run.training.networks import network_for
from benchmarks.run.training.weights import describe_weights, find_weights
from benchmarks.run.training.workers import draws_at_random


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
    cache = _cache(options)
    _read_data(options, [run for run, _ in runs], cache)
    # raises an error if network, data and weights do not fit together
    stream = stream_of(runs[0][0], options.root, cache)
    _check_own(runs[0][0], stream, options.workers)
    network = network_for(model, stream, weights)
    if is_path(model):
        print(f"{model}: heads on {network.classifier.in_features} features")
    if isinstance(network, SharedHeadNetwork) and any(
        run.strength_from == USUAL for run, _ in runs
    ):
        print(
            "one head for all tasks: the usual λ are for a head for each task, and may be too strong "
            "here; tune finds better ones (see docs/choosing.md)"
        )
    described = describe_weights(weights)
    missing = []
    for run, folder in runs:
        settings = replace(with_data(run, stream_of(run, options.root, cache)), weights=described)
        if options.config is not None and (other := options.config.unlike(settings)):
            print(f"unlike {options.config.file}: {other}")
        code = Path.cwd() if settings.imports else None
        how = (engine.threads, options.wandb, options.tensorboard, cache, options.workers, code)
        job = Job(settings, folder, options.root, weights, *how)
        if is_finished(folder, settings):
            _refuse_another_split(folder, stream_of(run, options.root, cache))
            print(f"{job.title}: already there, in {folder}")
            # of a run killed just after its result
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        else:
            missing.append(job)
    for job in missing:
        check_free(lock_of(job.folder))
    return missing, engine


def _refuse_another_split(folder: Path, stream: TaskBenchmark) -> None:
    """Refuse a result on the same number of images, divided otherwise into parts; older ones lack that."""
    for task, there in zip(stream.tasks, read_json(folder / RESULT).get("data", ()), strict=False):
        if there["split"] != task.split:
            raise ValueError(
                f"{folder} holds a run on other data: the images of {task.name} are divided otherwise, "
                f"{there['split']!r} there, {task.split!r} here; choose another --output, or remove that "
                "folder"
            )


def _check_own(run: Settings, stream: TaskBenchmark, workers: int) -> None:
    """Refuse what the user's own stream cannot give."""
    if run.stream is None:
        return
    first = stream.train_stream[0].dataset.eval()[0][0]
    if not isinstance(first, torch.Tensor):
        raise ValueError(
            f"--stream {run.stream}: its inputs are of type {type(first).__name__}, and the comparison "
            "takes tensors; give it those, or plug MAS into a training loop of your own"
        )
    if first.ndim != 3 and run.model != "mlp" and not is_path(run.model):
        raise ValueError(
            f"--stream {run.stream}: its inputs are {list(first.shape)}, and {run.model} takes images "
            "[channels, height, width]; use --model mlp, or one of yours: --model my_module:make"
        )
    uses = {
        "--evaluate-on valid, and tune,": run.evaluated_on == "valid",
        "--patience, and --schedule plateau,": run.patience is not None,
        "--choose": run.choose is not None,
    }
    needs = " and ".join(name for name, used in uses.items() if used)
    if needs and "valid" not in stream.streams:
        raise ValueError(
            f"--stream {run.stream}: it has no valid stream, and {needs} need validation data; add "
            "them to the stream, or leave that out"
        )
    if workers and draws_at_random(stream.train_stream[0].dataset):
        raise ValueError(
            f"--workers {workers}: the training data of {run.stream} draw random numbers, and would "
            "draw others in a worker; leave it out"
        )


def _cache(options: Options) -> str:
    """Return where decoded images are kept, a folder with its whole path, for other processes."""
    kept = options.cache
    return kept if kept in ("memory", "none") else str(Path(kept).absolute())


def _read_data(options: Options, runs: Sequence[Settings], cache: str) -> None:
    """Read the data of all runs once; the runs' processes are forked with them."""
    download = EXPERIMENTS[options.experiment].download
    if options.download and options.root is not None and download is not None:
        download()(options.root)
    tasks = {task: run for run in runs for task in run.tasks}
    named = runs[0].stream or ", ".join(tasks)
    print(f"reading the data: {named} ({runs[0].source}) ...", flush=True)
    if EXPERIMENTS[options.experiment].of_images and runs[0].scenario != "class":
        for task, run in tasks.items():
            stand_in = tuple(name for name in run.stand_ins if name == task)
            _read(replace(run, tasks=(task,), stand_ins=stand_in), options.root, cache)
    for run in runs:
        stream_of(run, options.root, cache)


def _read(run: Settings, root: Path | None, cache: str) -> None:
    """Read one task, which streams are made of later, and say how long that took."""
    begin = time.perf_counter()
    images = sum(sum(task.sizes) for task in stream_of(run, root, cache).tasks)
    print(f"  {run.tasks[0]}: {images} images, {time.perf_counter() - begin:.1f} s", flush=True)
