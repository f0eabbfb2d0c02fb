"""The numbers that a method is judged by, in one row, with the columns of the comparison's report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avalanche_mas.metrics.accuracy import (
    MatrixLike,
    as_accuracy_matrix,
    average_accuracy,
    average_forgetting,
    learning_accuracy,
)
from avalanche_mas.metrics.values import Table


def summary_row(matrix: MatrixLike, tasks: Sequence[str] = ()) -> dict[str, float | None]:
    """Return the mean accuracy, forgetting, the accuracy when learned, and that on each task at the end.

    Args:
        matrix: the accuracies [T, T]; the last row must be complete.
        tasks: names of the tasks; those that are missing become "task 3".

    Returns:
        `average_accuracy` as "Mean accuracy", `average_forgetting` as "Forgetting",
        `learning_accuracy` as "Learned", and `a[T-1, j]` by task, all in [-1, 1]; None where undefined.

    Raises:
        ValueError: this is not an accuracy matrix, or its last row is incomplete.
    """
    array = as_accuracy_matrix(matrix)
    is_learned = not np.isnan(np.diagonal(array)).any()
    names = [*tasks, *(f"task {task}" for task in range(len(tasks), len(array)))]
    return {
        "Mean accuracy": average_accuracy(array),
        "Forgetting": average_forgetting(array) if is_learned and len(array) > 1 else None,
        "Learned": learning_accuracy(array) if is_learned else None,
        **dict(zip(names, array[-1].tolist(), strict=False)),
    }


def summary_table(row: dict[str, float | None]) -> Table:
    """Return a `summary_row` as a table of one line: fractions for wandb, percent in the text."""
    cells = ["–" if value is None else f"{100 * value:.1f}" for value in row.values()]
    widths = [max(map(len, column)) for column in zip(row, cells, strict=True)]
    lines = ([c.rjust(w) for c, w in zip(line, widths, strict=True)] for line in (row, cells))
    return Table(list(row), [list(row.values())], "\n".join("  ".join(line) for line in lines))
