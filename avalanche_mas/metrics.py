"""What a sequence of tasks leaves behind, as numbers of the accuracy matrix.

`matrix[i][j]` is the accuracy, a fraction in [0, 1], on task `j` after learning task `i`; NaN (or
None) where it was not evaluated. Every mean is over tasks, not over samples: a large task weighs no
more than a small one. With T tasks, counted from 0, and `a` for the matrix:

- average accuracy    `1/T Σ_j a[T-1, j]`                     higher is better
- average forgetting  `1/(T-1) Σ_{j<T-1} (a[j, j] − a[T-1, j])`   lower is better
- backward transfer   minus the average forgetting             higher is better
- learning accuracy   `1/T Σ_j a[j, j]`                       higher is better
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue
from avalanche.training.supervised import JointTraining
from torch import Tensor

Matrix: TypeAlias = npt.NDArray[np.float64]
MatrixLike: TypeAlias = Sequence[Sequence[float | None]] | npt.NDArray[Any] | Tensor

__all__ = [
    "AccuracyMatrix",
    "as_accuracy_matrix",
    "average_accuracy",
    "average_forgetting",
    "backward_transfer",
    "learning_accuracy",
]


def as_accuracy_matrix(matrix: MatrixLike) -> Matrix:
    """The matrix as a new float64 array [T, T], checked.

    Args:
        matrix: rows are tasks learned, columns tasks evaluated; list, array or tensor, NaN or None
            for "not evaluated".

    Raises:
        ValueError: it is empty, not square, or has a value outside [0, 1].
    """
    if isinstance(matrix, Tensor):
        matrix = matrix.detach().cpu().numpy()
    try:
        array = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"an accuracy matrix needs rows of equally many numbers ({error})"
        ) from error
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.size == 0:
        raise ValueError(
            f"an accuracy matrix is square with one row a task, found shape {array.shape}"
        )
    bad = np.argwhere(~np.isnan(array) & ~((array >= 0) & (array <= 1)))
    if len(bad):
        i, j = bad[0]
        raise ValueError(
            f"accuracies are fractions in [0, 1], found {array[i, j]:g} in row {i}, column {j};"
            " divide percentages by 100"
        )
    return array


def average_accuracy(matrix: MatrixLike) -> float:
    """Mean over tasks of the accuracy at the end: `1/T Σ_j a[T-1, j]`.

    In [0, 1], higher is better. Each task counts once, however many samples it has.

    Raises:
        ValueError: not an accuracy matrix, or its last row is incomplete.
    """
    return float(np.mean(_last_row(as_accuracy_matrix(matrix))))


def learning_accuracy(matrix: MatrixLike) -> float:
    """Mean over tasks of the accuracy right after learning them: `1/T Σ_j a[j, j]`.

    In [0, 1], higher is better: how well new tasks are learned, whatever is forgotten afterwards.

    Raises:
        ValueError: not an accuracy matrix, or its diagonal is incomplete.
    """
    return float(np.mean(_diagonal(as_accuracy_matrix(matrix))))


def average_forgetting(matrix: MatrixLike) -> float:
    """Mean drop of all tasks but the last: `1/(T-1) Σ_{j<T-1} (a[j, j] − a[T-1, j])`.

    In [-1, 1], lower is better, negative where old tasks became better. This is the "drop" of
    Aljundi et al. (ECCV 2018): from the accuracy when a task had just been learned. Chaudhry et al.
    (ECCV 2018) measure from the best accuracy so far, `max_{i<T-1} a[i, j]`, which is never less.

    Raises:
        ValueError: not an accuracy matrix, fewer than two tasks, or the diagonal or the last row is
            incomplete (joint training has no diagonal, so no forgetting).
    """
    array = as_accuracy_matrix(matrix)
    if len(array) < 2:
        raise ValueError("forgetting needs at least two tasks, found one")
    return float(np.mean((_diagonal(array) - _last_row(array))[:-1]))


def backward_transfer(matrix: MatrixLike) -> float:
    """How learning later tasks changed earlier ones: `1/(T-1) Σ_{j<T-1} (a[T-1, j] − a[j, j])`.

    In [-1, 1], higher is better; minus `average_forgetting`. Lopez-Paz and Ranzato (NeurIPS 2017),
    equation 3.

    Raises:
        ValueError: as `average_forgetting`.
    """
    return 0.0 - average_forgetting(matrix)


def _last_row(array: Matrix) -> Matrix:
    return _complete(array[-1], "row, the accuracies at the end,", array)


def _diagonal(array: Matrix) -> Matrix:
    return _complete(np.diagonal(array), "diagonal, the accuracies when learned,", array)


def _complete(values: Matrix, what: str, array: Matrix) -> Matrix:
    missing = np.flatnonzero(np.isnan(values)).tolist()
    if missing:
        raise ValueError(
            f"the {what} of this {len(array)}-task accuracy matrix lacks tasks {missing};"
            " evaluate every task seen so far after each task"
        )
    return values


class AccuracyMatrix(PluginMetric[Matrix]):
    """Records the accuracy matrix and publishes its means over the tasks seen so far.

    Give it to Avalanche's `EvaluationPlugin`. Each evaluation of the stream fills the row of the
    task learned last; rows and columns are the positions of the experiences in their streams. After
    each evaluation of every task seen so far it publishes, with the stream's name,

        TaskMean_Acc/eval_phase/test_stream           `average_accuracy`
        TaskMean_Forgetting/eval_phase/test_stream    `average_forgetting`, from the second task on

    and nothing after an evaluation of only some of them. Experiences have to be learned in the
    stream's order; the sub-experiences of an online stream count as the experience they are part
    of, and `JointTraining` fills the last row only.

    Args:
        stream: name of the stream to record; evaluations on other streams are left alone.
    """

    def __init__(self, stream: str = "test") -> None:
        super().__init__()
        self.stream = stream
        self.reset()

    def reset(self) -> None:
        """Forget everything recorded."""
        self._accuracies: dict[tuple[int, int], float] = {}
        self._learned = -1
        self._correct = 0
        self._samples = 0

    @property
    def matrix(self) -> Matrix:
        """The accuracies so far: float64 [T, T], NaN where not evaluated, T = tasks met so far."""
        size = 1 + max((max(position) for position in self._accuracies), default=-1)
        matrix = np.full((size, size), np.nan)
        for position, accuracy in self._accuracies.items():
            matrix[position] = accuracy
        return matrix

    def result(self) -> Matrix:
        """The same as `matrix`."""
        return self.matrix

    def before_training_exp(self, strategy: Any) -> None:
        """Notes which task is learned from here on."""
        position = _position_learned(strategy)
        if position < self._learned:
            raise ValueError(
                f"experience {position} is trained after experience {self._learned}; an accuracy"
                " matrix needs the experiences in the stream's order"
            )
        self._learned = position

    def before_eval_exp(self, strategy: Any) -> None:  # noqa: ARG002 - Avalanche's signature
        """Starts counting."""
        self._correct = self._samples = 0

    def after_eval_iteration(self, strategy: Any) -> None:
        """Counts one batch."""
        self._correct += int((strategy.mb_output.argmax(dim=1) == strategy.mb_y).sum())
        self._samples += len(strategy.mb_y)

    def after_eval_exp(self, strategy: Any) -> None:
        """Records one entry of the matrix."""
        experience = strategy.experience
        recorded = experience.origin_stream.name == self.stream and self._learned >= 0
        if recorded and self._samples:
            position = (self._learned, experience.current_experience)
            self._accuracies[position] = self._correct / self._samples

    def after_eval(self, strategy: Any) -> list[MetricValue]:
        """Publishes the means over the tasks seen so far."""
        experience = strategy.experience
        if experience is None or experience.origin_stream.name != self.stream:
            return []
        seen = self._learned + 1
        matrix = self.matrix[:seen, :seen]
        if matrix.shape != (seen, seen) or seen == 0 or np.isnan(matrix[-1]).any():
            return []
        values = {"TaskMean_Acc": average_accuracy(matrix)}
        if seen > 1 and not np.isnan(np.diagonal(matrix)).any():
            values["TaskMean_Forgetting"] = average_forgetting(matrix)
        return [
            MetricValue(
                self,
                f"{name}/eval_phase/{self.stream}_stream",
                value,
                strategy.clock.train_iterations,
            )
            for name, value in values.items()
        ]


def _position_learned(strategy: Any) -> int:
    """Position in the stream of the last task in what is being trained on."""
    if isinstance(strategy, JointTraining):
        return max(int(experience.current_experience) for experience in strategy._experiences)
    experience = strategy.experience
    return int(getattr(experience, "origin_experience", experience).current_experience)
