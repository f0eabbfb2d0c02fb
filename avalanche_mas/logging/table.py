"""Every metric in one CSV file; Avalanche's own `CSVLogger` has columns for a few metrics only."""

from __future__ import annotations

import csv
import math
import os
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
from avalanche.evaluation.metric_results import AlternativeValues
from avalanche.logging import BaseLogger
from torch import Tensor

__all__ = ["TableLogger"]


class TableLogger(BaseLogger):
    """A logger that writes every numeric metric to a CSV file at once.

    The columns are `step` (training iterations so far), `experience` (the position of the latest
    one trained on, -1 before), `name` (Avalanche's name of the metric) and `value`. Of alternative
    values the number is written; arrays of one element count as numbers. Figures, texts and tables
    are left out. Each line is flushed as it is written.

    Args:
        file: the file; an existing one is overwritten.
        keep: bytes of an existing file to keep, an earlier `size`, when training resumes from that
            point; the rest is dropped.

    Raises:
        ValueError: the file has fewer bytes than `keep`.
    """

    def __init__(self, file: str | Path, keep: int = 0) -> None:
        super().__init__()
        file = Path(file)
        size = file.stat().st_size if file.is_file() else 0
        if size < keep:
            raise ValueError(
                f"{file} has {size} bytes, of {keep} that had been written when training was "
                f"interrupted; put the file back, or remove {file.parent} and begin anew"
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
        """The bytes written, including those kept."""
        return os.fstat(self._file.fileno()).st_size

    def before_training_exp(self, strategy: Any, metric_values: Any) -> None:  # noqa: ARG002
        """Note which experience is trained on next."""
        self._experience = strategy.experience.current_experience

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:
        """Write one line if the value is a number."""
        if isinstance(value, AlternativeValues):
            value = value.best_supported_value(Number)
        if isinstance(value, (Tensor, np.ndarray)) and math.prod(value.shape) == 1:
            value = value.item()
        if isinstance(value, Number):
            self._writer.writerow((x_plot, self._experience, name, value))
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
