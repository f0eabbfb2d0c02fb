"""A metric with everything derived from the accuracy matrix."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from avalanche.evaluation.metric_results import MetricValue

from avalanche_mas.metrics.accuracy import (
    Matrix,
    average_intransigence,
    backward_transfer,
    forgetting,
    forward_transfer,
    intransigence,
    learning_accuracy,
)
from avalanche_mas.metrics.heatmap import heat_map, table
from avalanche_mas.metrics.matrix import AccuracyMatrix
from avalanche_mas.metrics.summary import summary_row, summary_table
from avalanche_mas.metrics.values import Plot, published


class AccuracyReport(AccuracyMatrix):
    """An `AccuracyMatrix` that publishes everything derived from it.

    After an evaluation of all tasks seen so far it publishes, besides the means of `AccuracyMatrix`,
    under the names `NAME/eval_phase/test_stream`::

        AccuracyMatrix             the matrix as a figure
        AccuracyTable              the matrix as a table
        SummaryTable               `summary_row` as a table
        TaskMean_LearningAcc       `learning_accuracy`
        TaskMean_BackwardTransfer  `backward_transfer`, from the second task on
        TaskMean_ForwardTransfer   `forward_transfer`, if each task was evaluated before it was
                                   learned and a baseline is known
        TaskMean_Intransigence     `average_intransigence`, if a reference is given

    and after the evaluation of each experience, under the names
    `NAME/eval_phase/test_stream/Task000/Exp000`::

        ExperienceForgetting       its `forgetting`, once later tasks have been learned; the same as
                                   Avalanche's metric of this name
        ExperienceIntransigence    its `intransigence`, right after it was learned

    Undefined values are not published: joint training, for one, fills only the matrix's last row.

    Args:
        stream: name of the stream to record.
        baseline: accuracy in [0, 1] on each task of the stream before any is learned, None for an
            unknown one. By default those of an evaluation before training are used, if there is one.
        reference: accuracy in [0, 1] of a reference, such as joint training, on each task of the
            stream, None for an unknown one.
        pictures: whether to publish the figure.
        tasks: names of the tasks, for `SummaryTable`.
    """

    def __init__(
        self,
        stream: str = "test",
        baseline: Sequence[float | None] | None = None,
        reference: Sequence[float | None] | None = None,
        *,
        pictures: bool = True,
        tasks: Sequence[str] = (),
    ) -> None:
        super().__init__(stream)
        self.pictures, self.tasks = pictures, tuple(tasks)
        self.baseline = None if baseline is None else _checked("baseline", baseline)
        self.reference = None if reference is None else _checked("reference", reference)

    def reset(self) -> None:
        """Forget everything recorded."""
        super().reset()
        self._untrained: dict[int, float] = {}

    def after_eval_exp(self, strategy: Any) -> list[MetricValue]:
        """Record one entry of the matrix, and publish the values of its task alone."""
        super().after_eval_exp(strategy)
        task, seen = strategy.experience.current_experience, self._learned + 1
        if strategy.experience.origin_stream.name != self.stream or task >= seen:
            return []
        matrix = self.matrix[:seen, :seen]
        if len(matrix) < seen:  # the experience was empty
            return []
        if task < self._learned:
            name, value = "ExperienceForgetting", forgetting(matrix)[task]
        else:
            reference = _of(range(seen), self.reference or ())
            name, value = "ExperienceIntransigence", intransigence(matrix, reference)[task]
        if math.isnan(value):
            return []
        return [published(self, strategy, name, float(value), task=True, experience=True)]

    def _record(self, task: int, accuracy: float) -> None:
        super()._record(task, accuracy)
        if self._learned < 0:
            self._untrained[task] = accuracy

    def _values(self, matrix: Matrix, tasks: list[int]) -> dict[str, Any]:
        values = super()._values(matrix, tasks)
        if self.pictures:
            values["AccuracyMatrix"] = Plot(heat_map, self.matrix)
        values["AccuracyTable"] = table(self.matrix)
        names = [name for k, name in enumerate(self.tasks) if k in tasks]
        values["SummaryTable"] = summary_table(summary_row(matrix, names))
        several = len(tasks) > 1
        if not np.isnan(np.diagonal(matrix)).any():
            values["TaskMean_LearningAcc"] = learning_accuracy(matrix)
            if several:
                values["TaskMean_BackwardTransfer"] = backward_transfer(matrix)
            if _known(reference := _of(tasks, self.reference or ())):
                values["TaskMean_Intransigence"] = average_intransigence(matrix, reference)
        baseline = _of(tasks, self.baseline or self._recorded_baseline())
        ahead = np.diagonal(matrix, offset=1)
        if several and _known(baseline[1:]) and not np.isnan(ahead).any():
            values["TaskMean_ForwardTransfer"] = forward_transfer(matrix, baseline)
        return values

    def _recorded_baseline(self) -> list[float | None]:
        return [self._untrained.get(task) for task in range(self._learned + 1)]


def _of(tasks: Iterable[int], values: Sequence[float | None]) -> list[float | None]:
    """Return the values of these tasks, None for missing ones."""
    return [values[task] if task < len(values) else None for task in tasks]


def _known(values: Sequence[float | None]) -> bool:
    return None not in values


def _checked(what: str, values: Sequence[float | None]) -> list[float | None]:
    for task, value in enumerate(values):
        if value is not None and not 0 <= value <= 1:
            raise ValueError(
                f"the {what} of task {task} is {value}, which is not a fraction in [0, 1]; divide"
                " percentages by 100, and use None where it is unknown"
            )
    return list(values)
