"""The accuracy matrix as a figure and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from avalanche_mas.figure_style import STYLE
from avalanche_mas.metrics.accuracy import Matrix
from avalanche_mas.metrics.values import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERS = 20
"""With at most this many tasks, each cell shows its accuracy."""


def heat_map(matrix: Matrix) -> Figure:
    """Draw the accuracies as a heat map in percent, blank where not evaluated.

    Args:
        matrix: the accuracies [T, T], rows in the order of learning.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    tasks = len(matrix)
    side = min(1.2 + 0.34 * tasks, 8.0)
    with rc_context(STYLE):
        figure = Figure(figsize=(side + 0.6, side), layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(100 * matrix, cmap="viridis", vmin=0, vmax=100)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(10, integer=True))
        axes.set_xlabel("accuracy on task")
        axes.set_ylabel("after learning task")
        figure.colorbar(image, label="%", shrink=0.8).outline.set_visible(False)
        if tasks <= NUMBERS:
            _write(axes, matrix)
    return figure


def _write(axes: Any, matrix: Matrix) -> None:
    for (i, j), value in np.ndenumerate(matrix):
        if not np.isnan(value):
            ink = "white" if value < 0.6 else "black"
            axes.text(j, i, f"{100 * value:.0f}", ha="center", va="center", color=ink, fontsize=7)


def table(matrix: Matrix) -> Table:
    """Return a table: fractions for wandb, percent in the text.

    Args:
        matrix: the accuracies [T, T], rows in the order of learning.
    """
    tasks = [f"task {j}" for j in range(len(matrix))]
    rows = [[None if np.isnan(value) else float(value) for value in row] for row in matrix]
    cells = [["–" if v is None else f"{100 * v:.1f}" for v in row] for row in rows]
    lines = [("learned", *tasks), *((name, *row) for name, row in zip(tasks, cells, strict=True))]
    width = max(map(len, ("learned", *tasks)))
    text = "\n".join("  ".join(cell.rjust(width) for cell in line) for line in lines)
    return Table(["learned", *tasks], [[n, *row] for n, row in zip(tasks, rows, strict=True)], text)
