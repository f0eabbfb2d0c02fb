"""Avalanche's logger to TensorBoard, with few sections, and with tables as text."""

from __future__ import annotations

from textwrap import indent
from typing import Any

from avalanche.evaluation.metric_results import AlternativeValues, TensorImage
from avalanche.logging import TensorboardLogger as AvalanchesLogger
from matplotlib.figure import Figure
from PIL.Image import Image
from torch import Tensor

from avalanche_mas.logging.names import section_name

SHOWN = (float, int, Figure, Image, TensorImage, Tensor, str)
"""What TensorBoard can show, best first."""


class TensorboardLogger(AvalanchesLogger):
    """A logger of every metric that TensorBoard can show, in the sections of `WandBLogger`.

    It takes the arguments of Avalanche's, so a script only changes its import.
    """

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:
        """Log one value; log a table as text."""
        if isinstance(value, AlternativeValues):
            value = value.best_supported_value(*SHOWN)
        tag = section_name(name)
        if isinstance(value, str):
            self.writer.add_text(tag, indent(value, "    "), global_step=x_plot)
        else:
            super().log_single_metric(tag, value, x_plot)

    def close(self) -> None:
        """Write the rest and close the file."""
        self.writer.close()
