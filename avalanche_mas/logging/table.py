"""Every metric in one CSV file; Avalanche's own `CSVLogger` has columns for a few metrics only."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
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

    An existing file is overwritten when the first line is written, unless `load_state_dict` says
    how much of it goes on.

    Args:
        file: the file.
        keep: bytes of an existing file to keep, an earlier `size`, when training resumes from that
            point; the rest is dropped.

    Raises:
        ValueError: the file has fewer bytes than `keep`.
    """

    def __init__(self, file: str | Path, keep: int = 0) -> None:
        super().__init__()
        self._path = Path(file)
        self.load_state_dict({"size": keep, "experience": -1})
        self._file = self._path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")

    @property
    def size(self) -> int:
        """The bytes written, including those kept."""
        self._begin()
        return os.fstat(self._file.fileno()).st_size

    def state_dict(self) -> dict[str, int]:
        """Return how far the table has come."""
        return {"size": self.size, "experience": self._experience}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on with the existing file from a `state_dict`; drop what was written after it.

        Raises:
            ValueError: the file has fewer bytes than it had.
        """
        size = self._path.stat().st_size if self._path.is_file() else 0
        if size < state["size"]:
            raise ValueError(
                f"{self._path} has {size} bytes, of {state['size']} that had been written when training "
                "was interrupted; put the file back, or remove the checkpoints to start over"
            )
        self._keep, self._experience, self._begun = state["size"], state["experience"], False

    def _begin(self) -> None:
        """Drop what is not kept, and write the names of the columns into an empty file."""
        if self._begun:
            return
        self._begun = True
        self._file.truncate(self._keep)
        if not self._keep:
            self._writer.writerow(("step", "experience", "name", "value"))
            self._file.flush()

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
            self._begin()
            self._writer.writerow((x_plot, self._experience, name, value))
            self._file.flush()

    def close(self) -> None:
        """Close the file; one to which nothing was logged is as it was, or empty but for the columns."""
        if not self._file.closed and not self._path.stat().st_size:
            self._begin()
        self._file.close()
