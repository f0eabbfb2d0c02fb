"""Where a run's metrics go: its table, and W&B and TensorBoard where they are asked for."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from avalanche.logging import BaseLogger

from avalanche_mas.importance import histogram_figure, ranked, ridges
from avalanche_mas.logging import TableLogger, WandBLogger
from avalanche_mas.metrics import (
    AccuracyMatrix,
    Plot,
    average_accuracy,
    average_forgetting,
    heat_map,
)
from avalanche_mas.plugins import ImportancePlugin
from benchmarks.record.schema import EVENTS, METRICS
from benchmarks.record.settings import Settings
from benchmarks.run.loggers import EventLogger
from benchmarks.run.names import folder_of

if TYPE_CHECKING:
    from benchmarks.run.job import Job

PROJECT = "avalanche-mas"

FINAL = "Final_"
"""What the names of numbers begin with that are logged once, at the end."""


class Tracking:
    """The loggers of a run, which go on where they were.

    Args:
        job: The run.
        kept: The `state` that they go on from, empty for a run that begins.
        closing: Closes them at the end.
    """

    def __init__(self, job: Job, kept: Mapping[str, Any], closing: ExitStack) -> None:
        self._kept = {"wandb": None, "events": {}, **kept}
        self.table = TableLogger(job.folder / METRICS, kept.get("table", 0))
        closing.callback(self.table.close)
        self.wandb = self.events = None
        if job.wandb != "disabled":
            self.wandb = closing.enter_context(_wandb(job, self._kept["wandb"]))
        if job.tensorboard:
            self.events = EventLogger(job.folder / EVENTS, self._kept["events"])
            closing.callback(self.events.close)

    @property
    def loggers(self) -> list[BaseLogger]:
        """All of them."""
        return [logger for logger in (self.table, self.wandb, self.events) if logger is not None]

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Log values, by name, that no metric publishes.

        Args:
            values: The values.
            step: Training iterations so far.
        """
        for name, value in values.items():
            for logger in self.loggers:
                logger.log_single_metric(name, value, step)

    def keep_files(self, files: Sequence[Path]) -> None:
        """Give W&B the files that the run leaves, each named after the file and the run."""
        if self.wandb is not None:
            for file in files:
                name = f"{file.stem}-{self.wandb.run.id}"
                self.wandb.log_artifact(file, name, type=file.stem)

    def state(self) -> dict[str, Any]:
        """Return what the loggers go on from, those included that are left out this time."""
        return {
            "table": self.table.size,
            "wandb": self._kept["wandb"] if self.wandb is None else pickle.dumps(self.wandb),
            "events": self._kept["events"] if self.events is None else self.events.sizes,
        }


def final_values(matrix: AccuracyMatrix, plugins: Sequence[ImportancePlugin]) -> dict[str, Any]:
    """Return what is logged once, when all tasks are learned, by name.

    The means under a name of their own are what a sweep can go by: it takes the best value that a
    metric ever had, and the mean over the tasks is best when there is one task. Pictures are
    painted here only, as painting them is most of what logging costs.

    Args:
        matrix: The accuracies.
        plugins: What has Ω of all tasks, if anything has.
    """
    accuracies, where = matrix.matrix, f"eval_phase/{matrix.stream}_stream"
    values: dict[str, Any] = {f"{FINAL}TaskMean_Acc/{where}": average_accuracy(accuracies)}
    if len(accuracies) > 1 and not np.isnan(np.diagonal(accuracies)).any():
        values[f"{FINAL}TaskMean_Forgetting/{where}"] = average_forgetting(accuracies)
    values[f"AccuracyMatrix/{where}"] = Plot(heat_map, accuracies)
    for omega in (ranked(plugin.importance) for plugin in plugins):
        if omega.together[-1] > 0:
            picture = Plot(histogram_figure, ridges(omega))
            values["Omega_Histogram/train_phase/train_stream"] = picture
    return values


def described(settings: Settings) -> dict[str, Any]:
    """Return how W&B is to call and group a run: as the tables of the report are.

    The group is the experiment, and the sequence of tasks where it has several; the job type is the
    method; the name is what tells a run from the others of its group.
    """
    parts = folder_of(settings, Path()).parts
    method = parts.index(settings.method)
    return {
        "group": "/".join(parts[:method]),
        "job_type": settings.method,
        "name": "/".join(parts[method:]),
        "tags": list(dict.fromkeys((settings.source, settings.model, settings.method))),
    }


def _wandb(job: Job, kept: bytes | None) -> WandBLogger:
    """Return the logger of a run; of one that goes on, with the same run id.

    One that is read from a pickle logs what it holds, at the latest when the process ends: only
    where it is needed is it read.
    """
    if kept is not None:
        logger: WandBLogger = pickle.loads(kept)
        logger.init_arguments.update(mode=job.wandb, dir=job.folder)
        return logger
    return WandBLogger(
        project_name=PROJECT,
        config=job.settings.as_json(),
        dir=job.folder,
        save_code=False,
        params={"mode": job.wandb, **described(job.settings)},
    )
