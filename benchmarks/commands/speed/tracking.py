"""The cost of full tracking: the eight drawn tasks learned with MAS, with and without tracking."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.commands.options import Options
from benchmarks.commands.plan import plan
from benchmarks.commands.speed.setup import Setup
from benchmarks.commands.speed.timing import ratio, ratio_text, take_turns
from benchmarks.record.folders import versions
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column
from benchmarks.run.data import stream_of, with_data
from benchmarks.run.job import Job
from benchmarks.run.runner import run

NAME = "tracking"
DESCRIPTION = "wall time of the eight-task run with W&B, TensorBoard and all metrics, and without"
SECONDS = 0.0  # a run on the CPU

PLAIN, TRACKED = "not tracked", "tracked"
HOW: dict[str, dict[str, Any]] = {PLAIN: {}, TRACKED: {"wandb": "offline", "tensorboard": True}}


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Time whole runs on one thread, taking turns; the data are made beforehand.

    With `quick`, that is one round of two tasks with one epoch each.

    Raises:
        RuntimeError: Tracking changed the accuracies.
    """
    rounds, tasks, epochs = (1, ("letters", "svhn"), 1) if setup.quick else (3, None, None)
    (settings,) = plan(Options("eight-tasks", ("mas",), tasks, epochs=epochs))
    stream = stream_of(settings, None)
    settings = with_data(settings, stream)
    setup.progress(f"{len(settings.tasks)} tasks of {settings.epochs} epochs, {rounds} rounds")
    accuracies, number = [], count()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with TemporaryDirectory() as folder:

            def learn(name: str) -> None:
                setup.progress(name)
                job = Job(settings, Path(folder) / str(next(number)), **HOW[name])
                accuracies.append(run(job, say=lambda _: None, stream=stream)["accuracy"])

            seconds = take_turns({name: partial(learn, name) for name in HOW}, rounds)
    finally:
        torch.set_num_threads(threads)
    if any(found != accuracies[0] for found in accuracies):
        raise RuntimeError("the accuracies of the runs differ; tracking may not change them")
    yield {
        "machine": versions(1),
        "tasks": list(settings.tasks),
        "epochs": settings.epochs,
        "seconds": seconds,
        "tracked_over_plain": ratio(seconds[TRACKED], seconds[PLAIN]),
    }


def table(found: dict[str, Any]) -> str:
    """Show the median seconds of a run with and without tracking, and their ratio."""
    over = {PLAIN: "1", TRACKED: ratio_text(found["tracked_over_plain"])}
    columns: list[Column[str]] = [
        Column("run", {PLAIN: PLAIN, TRACKED: "W&B offline, TensorBoard, all metrics"}.get),
        Column("seconds", lambda run: statistics.median(found["seconds"][run]), "{:.1f}".format),
        Column(f"/ {PLAIN}", over.get),
    ]
    return (
        f"{len(found['tasks'])} drawn tasks of {found['epochs']} epochs, MAS, one thread, "
        f"{len(found['seconds'][PLAIN])} runs each\n\n"
        f"{bare_markdown(columns, over)}"
    )
