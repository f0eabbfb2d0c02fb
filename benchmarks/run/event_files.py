"""TensorBoard's event files of a run that can be interrupted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent
from typing import Any

from avalanche.evaluation.metric_results import AlternativeValues, TensorImage
from avalanche.logging import TensorboardLogger
from matplotlib.figure import Figure
from PIL.Image import Image
from torch import Tensor

_FILES = "events.out.tfevents.*"
_SHOWN = (float, int, Figure, Image, TensorImage, Tensor, str)
"""What TensorBoard can show, the best first."""


class EventLogger(TensorboardLogger):
    """Avalanche's TensorBoard logger, which a run that goes on takes up where it was kept.

    Args:
        folder: The folder of the event files, which has no others.
        keep: How many bytes are kept of every file in it, its `sizes` at some time; what else there
            is was logged by a run that came to an end after that, and is dropped.

    Raises:
        ValueError: A file is missing or has fewer bytes than are to be kept.
    """

    def __init__(self, folder: Path, keep: Mapping[str, int]) -> None:
        _cut(folder, keep)
        super().__init__(folder)
        self._folder = folder

    @property
    def sizes(self) -> dict[str, int]:
        """How many bytes every file has, all that was logged so far being written."""
        self.writer.flush()
        return _sizes(self._folder)

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:
        """Log one value; what is a table elsewhere is text here."""
        if isinstance(value, AlternativeValues):
            value = value.best_supported_value(*_SHOWN)
        if isinstance(value, str):
            self.writer.add_text(name, indent(value, "    "), global_step=x_plot)
        else:
            super().log_single_metric(name, value, x_plot)

    def close(self) -> None:
        """Write the rest and close the file."""
        self.writer.close()

    def __getstate__(self) -> Any:
        raise TypeError("an EventLogger cannot be pickled; keep its sizes, and make another one")


def _sizes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in sorted(folder.glob(_FILES))}


def _cut(folder: Path, keep: Mapping[str, int]) -> None:
    """Cut the event files in a folder to these sizes, and remove all others."""
    sizes = _sizes(folder)
    for name, size in keep.items():
        if sizes.get(name, 0) < size:
            raise ValueError(
                f"{folder / name} has {sizes.get(name, 0)} bytes, of {size} that the run had written"
                f" when it was interrupted; remove {folder.parent}, and the same command starts this"
                " run anew"
            )
    for name in sizes:
        if name in keep:
            os.truncate(folder / name, keep[name])
        else:
            (folder / name).unlink()
