"""Loggers of Avalanche's metrics to the terminal and to TensorBoard's event files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from avalanche.logging import BaseLogger

from avalanche_mas.logging import TensorboardLogger

_ACCURACY = "Top1_Acc_Exp/eval_phase/"
_MEAN = "TaskMean_Acc/eval_phase/"

_FILES = "events.out.tfevents.*"


class TerminalLogger(BaseLogger):
    """A logger of one line per task learned, and of the run's progress.

    `show` takes the share of training done, at most five times a second.
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
        """Report progress."""
        now = time.monotonic()
        if now - self._shown > 0.2:
            self._shown = now
            self._show(min(1.0, (strategy.clock.train_iterations + 1) / self._steps))

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:  # noqa: ARG002
        """Keep a value that the next line needs."""
        if name.startswith((_ACCURACY, _MEAN)):
            self._values[name] = value

    def after_eval(self, strategy: Any, metric_values: Any) -> None:  # noqa: ARG002
        """Report the accuracy on each task so far, and the mean, in percent."""
        accuracies = [v for name, v in sorted(self._values.items()) if name.startswith(_ACCURACY)]
        means = [v for name, v in self._values.items() if name.startswith(_MEAN)]
        self._values = {}
        parts = [f"{task} {100 * v:.1f}" for task, v in zip(self._tasks, accuracies, strict=False)]
        self._say(f"{', '.join(parts)}; mean {100 * means[-1]:.1f}" if means else ", ".join(parts))


class EventLogger(TensorboardLogger):
    """A TensorBoard logger that a continued run resumes at its checkpoint.

    It cuts the files, as `SummaryWriter(purge_step=)` is not enough: TensorBoard would still show
    texts of purged steps twice, and what was logged after the checkpoint but at its step.

    `folder` is the folder of the event files alone.
    """

    def __init__(self, folder: Path) -> None:
        before = _sizes(folder)
        super().__init__(folder)
        self._folder, self._own = folder, _sizes(folder).keys() - before.keys()

    def state_dict(self) -> dict[str, int]:
        """Return the bytes of each file, after all that was logged has been written."""
        self.writer.flush()
        return _sizes(self._folder)

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Drop what was logged after a `state_dict`.

        Raises:
            ValueError: A file is missing or has fewer bytes than it had.
        """
        _cut(self._folder, state, self._own)


def _sizes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in sorted(folder.glob(_FILES))}


def _cut(folder: Path, keep: Mapping[str, int], new: Collection[str]) -> None:
    """Cut the event files in a folder to these sizes and remove all others, but for the new ones."""
    sizes = {name: size for name, size in _sizes(folder).items() if name not in new}
    for name, size in keep.items():
        if sizes.get(name, 0) < size:
            raise ValueError(
                f"{folder / name} has {sizes.get(name, 0)} bytes, of {size} that the run had written"
                f" when it was interrupted; remove {folder.parent}, and the same command starts this"
                " run over"
            )
    for name in sizes:
        if name in keep:
            os.truncate(folder / name, keep[name])
        else:
            (folder / name).unlink()
