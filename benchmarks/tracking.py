"""Where a run's metrics go: its table, and W&B and TensorBoard where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from avalanche.logging import BaseLogger

from avalanche_mas.metrics import AccuracyMatrix, average_accuracy, average_forgetting
from benchmarks.event_files import EventLogger
from benchmarks.folders import METRICS
from benchmarks.loggers import TableLogger
from benchmarks.wandb_run import ReplayedLogger

if TYPE_CHECKING:
    from benchmarks.runner import Job

FINAL = "Final_"
"""What the names of metrics begin with that are logged once, when all tasks are learned."""

EVENTS = "tensorboard"
"""The folder of a run folder with TensorBoard's event files."""


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
            self.wandb = closing.enter_context(
                ReplayedLogger(job.settings, job.folder, job.wandb, self._kept["wandb"])
            )
        if job.tensorboard:
            self.events = EventLogger(job.folder / EVENTS, self._kept["events"])
            closing.callback(self.events.close)

    @property
    def loggers(self) -> list[BaseLogger]:
        """All of them."""
        return [logger for logger in (self.table, self.wandb, self.events) if logger is not None]

    def log_final(self, matrix: AccuracyMatrix, step: int) -> None:
        """Log how the whole sequence ended: a sweep can go by these values only.

        It takes the best value that a metric ever had, and the mean over the tasks is best when
        there is one task.

        Args:
            matrix: The accuracies.
            step: Training iterations so far.
        """
        accuracies = matrix.matrix
        values = {"TaskMean_Acc": average_accuracy(accuracies)}
        if len(accuracies) > 1 and not np.isnan(np.diagonal(accuracies)).any():
            values["TaskMean_Forgetting"] = average_forgetting(accuracies)
        for name, value in values.items():
            full = f"{FINAL}{name}/eval_phase/{matrix.stream}_stream"
            for logger in self.loggers:
                logger.log_single_metric(full, value, step)

    def keep_files(self, files: Sequence[Path]) -> None:
        """Hand files that the run leaves behind to W&B."""
        if self.wandb is not None:
            for file in files:
                self.wandb.keep_file(file)

    def state(self) -> dict[str, Any]:
        """Return what the loggers go on from, those included that are left out this time."""
        return {
            "table": self.table.size,
            "wandb": self._kept["wandb"] if self.wandb is None else self.wandb.state(),
            "events": self._kept["events"] if self.events is None else self.events.sizes,
        }
