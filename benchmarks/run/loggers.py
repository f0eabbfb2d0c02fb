"""What a run says of Avalanche's metrics on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from avalanche.logging import BaseLogger

_ACCURACY = "Top1_Acc_Exp/eval_phase/"
_MEAN = "TaskMean_Acc/eval_phase/"


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
