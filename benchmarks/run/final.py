"""What is said of a whole sequence of tasks when all of them are learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from avalanche_mas.importance import histogram_figure, ranked, ridges
from avalanche_mas.metrics import (
    AccuracyMatrix,
    Plot,
    average_accuracy,
    average_forgetting,
    heat_map,
)
from avalanche_mas.plugins import ImportancePlugin

FINAL = "Final_"
"""What the names of numbers begin with that are logged once, at the end."""


def final_values(matrix: AccuracyMatrix, plugins: Sequence[ImportancePlugin]) -> dict[str, Any]:
    """Return what is logged once, when all tasks are learned, by name.

    The means under a name of their own are what a sweep can go by: it takes the best value that a
    metric ever had, and the mean over the tasks is best when there is one task. Pictures are
    painted here only, as painting them is most of what logging costs.

    Args:
        matrix: The accuracies.
        plugins: What has Ω of all tasks, if anything has.
    """
    accuracies, where = matrix.matrix, f"eval_phase/{matrix.stream}_stream"
    values: dict[str, Any] = {f"{FINAL}TaskMean_Acc/{where}": average_accuracy(accuracies)}
    if len(accuracies) > 1 and not np.isnan(np.diagonal(accuracies)).any():
        values[f"{FINAL}TaskMean_Forgetting/{where}"] = average_forgetting(accuracies)
    values[f"AccuracyMatrix/{where}"] = Plot(heat_map, accuracies)
    for omega in (ranked(plugin.importance) for plugin in plugins):
        if omega.together[-1] > 0:
            picture = Plot(histogram_figure, ridges(omega))
            values["Omega_Histogram/train_phase/train_stream"] = picture
    return values
