"""Where Avalanche's metrics go: a table file, and the terminal."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable
from numbers import Number
from pathlib import Path
from typing import Any

from avalanche.logging import BaseLogger

_ACCURACY = "Top1_Acc_Exp/eval_phase/"
_MEAN = "TaskMean_Acc/eval_phase/"


class TableLogger(BaseLogger):
    """Writes every metric that is a number to a CSV file as it comes.

    The columns are `step` (training iterations so far), `experience` (the position of the task that
    is or was last trained on), `name` (Avalanche's name of the metric) and `value`. Every line is
    on the disk once it is written.

    Args:
        file: The file.
        keep: How many bytes of an existing file are kept, its `size` at some time; all else in it
            is dropped.

    Raises:
        ValueError: The file has fewer bytes than are to be kept.
    """

    def __init__(self, file: Path, keep: int = 0) -> None:
        super().__init__()
        size = file.stat().st_size if file.is_file() else 0
        if size < keep:
            raise ValueError(
                f"{file} has {size} bytes, of {keep} that the run had written when it was "
                f"interrupted; remove {file.parent}, and the same command starts this run anew"
            )
        self._file = file.open("a", newline="", encoding="utf-8")
        self._file.truncate(keep)
        self._writer = csv.writer(self._file, lineterminator="\n")
        if not keep:
            self._writer.writerow(("step", "experience", "name", "value"))
            self._file.flush()
        self._experience = -1

    @property
    def size(self) -> int:
        """How many bytes have been written, those kept included."""
        return os.fstat(self._file.fileno()).st_size

    def before_training_exp(self, strategy: Any, metric_values: Any) -> None:  # noqa: ARG002
        """Note which task is trained on from here."""
        self._experience = strategy.experience.current_experience

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:
        """Write one line, if the value is a number."""
        if not isinstance(value, Number):
            return
        self._writer.writerow((x_plot, self._experience, name, value))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TerminalLogger(BaseLogger):
    """Says one line per task learned, and how far the run is.

    Args:
        tasks: The tasks' names.
        steps: The training iterations of the whole run.
        say: Takes a finished line.
        show: Takes the share of the run's training that is done, at most five times a second.
    """

    def __init__(
        self,
        tasks: tuple[str, ...],
        steps: int,
        say: Callable[[str], None],
        show: Callable[[float], None],
    ) -> None:
        super().__init__()
        self._tasks, self._steps, self._say, self._show = tasks, steps, say, show
        self._values: dict[str, float] = {}
        self._shown = 0.0

    def after_training_iteration(self, strategy: Any, metric_values: Any) -> None:  # noqa: ARG002
        """Move the progress bar on."""
        now = time.monotonic()
        if now - self._shown > 0.2:
            self._shown = now
            self._show(min(1.0, (strategy.clock.train_iterations + 1) / self._steps))

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:  # noqa: ARG002
        """Keep what the next line needs."""
        if name.startswith((_ACCURACY, _MEAN)):
            self._values[name] = value

    def after_eval(self, strategy: Any, metric_values: Any) -> None:  # noqa: ARG002
        """Say the accuracy on every task so far, in percent, and their mean."""
        accuracies = [v for name, v in sorted(self._values.items()) if name.startswith(_ACCURACY)]
        means = [v for name, v in self._values.items() if name.startswith(_MEAN)]
        self._values = {}
        parts = [f"{task} {100 * v:.1f}" for task, v in zip(self._tasks, accuracies, strict=False)]
        self._say(f"{', '.join(parts)}; mean {100 * means[-1]:.1f}" if means else ", ".join(parts))
