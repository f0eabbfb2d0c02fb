"""Where a run's metrics go: its table, and W&B and TensorBoard where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from avalanche.logging import BaseLogger

from avalanche_mas.accuracy import Matrix, average_accuracy, average_forgetting
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
    def full(self) -> bool:
        """Whether there is more than the table."""
        return len(self.loggers) > 1

    @property
    def loggers(self) -> list[BaseLogger]:
        """All of them."""
        return [logger for logger in (self.table, self.wandb, self.events) if logger is not None]

    def finish(self, matrix: Matrix, part: str, step: int) -> None:
        """Log, where there is more than the table, how the whole sequence ended.

        A sweep can go by these values only: it takes the best that a metric ever had.

        Args:
            matrix: The accuracies, [T, T].
            part: The part of the data that they are of.
            step: Training iterations so far.
        """
        if not self.full:
            return
        values = {"TaskMean_Acc": average_accuracy(matrix)}
        if len(matrix) > 1 and not np.isnan(np.diagonal(matrix)).any():
            values["TaskMean_Forgetting"] = average_forgetting(matrix)
        for name, value in values.items():
            for logger in self.loggers:
                logger.log_single_metric(f"{FINAL}{name}/eval_phase/{part}_stream", value, step)

    def state(self) -> dict[str, Any]:
        """Return what the loggers go on from, those included that are left out this time."""
        return {
            "table": self.table.size,
            "wandb": self._kept["wandb"] if self.wandb is None else self.wandb.state(),
            "events": self._kept["events"] if self.events is None else self.events.sizes,
        }
