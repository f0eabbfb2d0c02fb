"""Where a run's metrics go: its table and, if asked for, W&B and TensorBoard."""

from __future__ import annotations

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
from benchmarks.run.names import folder_of, method_folder

if TYPE_CHECKING:
    from benchmarks.run.job import Job

PROJECT = "avalanche-mas"

FINAL = "Final_"
"""The prefix of numbers that are logged once, at the end."""


class Tracking:
    """The loggers of a run; `closing` closes them at the end. `params` are further ones of `wandb.init`."""

    def __init__(self, job: Job, params: Mapping[str, Any], closing: ExitStack) -> None:
        self.table = TableLogger(job.folder / METRICS)
        closing.callback(self.table.close)
        self.wandb = self.events = None
        if job.wandb != "disabled":
            self.wandb = closing.enter_context(_wandb(job, params))
        if job.tensorboard:
            self.events = EventLogger(job.folder / EVENTS)
            closing.callback(self.events.close)

    @property
    def loggers(self) -> list[BaseLogger]:
        """The loggers in use."""
        return [logger for logger in (self.table, self.wandb, self.events) if logger is not None]

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Log values that no metric publishes, by name, at this number of training iterations."""
        for name, value in values.items():
            for logger in self.loggers:
                logger.log_single_metric(name, value, step)

    def summarise(self, row: Mapping[str, float | None]) -> None:
        """Give the run's line of W&B's table of runs the columns of the report."""
        if self.wandb is not None:
            self.wandb.run.summary.update({n: v for n, v in row.items() if v is not None})

    def keep_files(self, files: Mapping[str, Path]) -> None:
        """Upload files to W&B, each named after its kind and the run."""
        if self.wandb is not None:
            for kind, file in files.items():
                self.wandb.log_artifact(file, f"{kind}-{self.wandb.run.id}", type=kind)


def final_values(matrix: AccuracyMatrix, plugins: Sequence[ImportancePlugin]) -> dict[str, Any]:
    """Return the values to log once, after all tasks, by name.

    The means have their own names for sweeps, which take a metric's best value ever: the mean over
    tasks is best after the first task. Figures are drawn only here, as drawing them is most of the
    cost of logging.
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
    """Return W&B's names for a run, grouped like the tables of the report.

    The group is the experiment, with the sequence of tasks if there are several; the job type is
    the method; the name distinguishes the run within its group.
    """
    parts = folder_of(settings, Path()).parts
    method = parts.index(method_folder(settings.method))
    return {
        "group": "/".join(parts[:method]),
        "job_type": settings.method,
        "name": "/".join(parts[method:]),
        "tags": list(dict.fromkeys((settings.source, settings.model, settings.method))),
    }


def _wandb(job: Job, params: Mapping[str, Any]) -> WandBLogger:
    return WandBLogger(
        project_name=PROJECT,
        config=job.settings.as_json(),
        dir=job.folder,
        save_code=False,
        params={"mode": job.wandb, **described(job.settings), **params},
    )
