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
    """Writes every metric that is a number to a CSV file as it comes.

    The columns are `step` (training iterations so far), `experience` (the position of the one that
    is or was last trained on, -1 before), `name` (Avalanche's name of the metric) and `value`; of
    alternative values the number, and arrays of one element count as numbers. Figures, texts
    and tables are left out. Every line is on the disk once it is written.

    Args:
        file: The file; one that exists is written anew.
        keep: How many bytes of an existing file are kept, its `size` at some time, for a training
            that goes on from there; all else in it is dropped.

    Raises:
        ValueError: The file has fewer bytes than are to be kept.
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
        """How many bytes have been written, those kept included."""
        return os.fstat(self._file.fileno()).st_size

    def before_training_exp(self, strategy: Any, metric_values: Any) -> None:  # noqa: ARG002
        """Note which experience is trained on from here."""
        self._experience = strategy.experience.current_experience

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:
        """Write one line, if the value is a number."""
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
