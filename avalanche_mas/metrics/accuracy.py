"""Accuracy, forgetting and transfer over a sequence of tasks, from the accuracy matrix.

`matrix[i][j]` is the accuracy, a fraction in [0, 1], on task `j` after learning task `i`; NaN (or
None) where it was not evaluated. Every mean is over tasks, not over samples: all tasks weigh the
same. In the formulas `a` is the matrix and T the number of tasks, counted from 0; `b_j` is the
accuracy on task `j` before any task is learned, and `r_j` that of a reference that need not retain
earlier tasks, such as joint training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # a report of finished runs does not need to load PyTorch
    from torch import Tensor

Matrix: TypeAlias = npt.NDArray[np.float64]
MatrixLike: TypeAlias = Union[Sequence[Sequence["float | None"]], npt.NDArray[Any], "Tensor"]


def as_accuracy_matrix(matrix: MatrixLike) -> Matrix:
    """Check a matrix and return it as a new float64 array [T, T].

    Args:
        matrix: rows are tasks learned, columns tasks evaluated; a list, array or tensor, with NaN or
            None for "not evaluated".

    Raises:
        ValueError: it is empty, not square, or has a value outside [0, 1].
    """
    values: Any = matrix
    if hasattr(matrix, "detach"):
        values = matrix.detach().cpu().double().numpy()
    try:
        array = np.array(values, dtype=np.float64)
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
    """Return the mean accuracy at the end: `1/T Σ_j a[T-1, j]`.

    In [0, 1], higher is better. Each task counts once, whatever its number of samples.

    Raises:
        ValueError: this is not an accuracy matrix, or its last row is incomplete.
    """
    return float(np.mean(_last_row(as_accuracy_matrix(matrix))))


def learning_accuracy(matrix: MatrixLike) -> float:
    """Return the mean accuracy right after learning each task: `1/T Σ_j a[j, j]`.

    In [0, 1], higher is better. It measures how well new tasks are learned, not what is forgotten.

    Raises:
        ValueError: this is not an accuracy matrix, or its diagonal is incomplete.
    """
    return float(np.mean(_diagonal(as_accuracy_matrix(matrix))))


def forgetting(matrix: MatrixLike) -> Matrix:
    """Return each task's drop since it was learned, `a[j, j] − a[T-1, j]`: float64 [T].

    In [-1, 1], lower is better; 0 for the last task, NaN where either was not evaluated.

    Raises:
        ValueError: this is not an accuracy matrix.
    """
    array = as_accuracy_matrix(matrix)
    drops: Matrix = np.diagonal(array) - array[-1]
    return drops


def average_forgetting(matrix: MatrixLike) -> float:
    """Return the mean drop of all tasks but the last: `1/(T-1) Σ_{j<T-1} (a[j, j] − a[T-1, j])`.

    In [-1, 1], lower is better, negative where old tasks improved. This is the "drop" of Aljundi et al.
    (ECCV 2018), from the accuracy when a task had just been learned. Chaudhry et al. (ECCV 2018)
    measure from the best accuracy so far, `max_{i<T-1} a[i, j]`, which is never less.

    Raises:
        ValueError: this is not an accuracy matrix, has fewer than two tasks, or its diagonal or last row
            is incomplete (joint training has no diagonal, hence no forgetting).
    """
    array = _of_several("forgetting", matrix)
    return float(np.mean((_diagonal(array) - _last_row(array))[:-1]))


def backward_transfer(matrix: MatrixLike) -> float:
    """Return the mean change of earlier tasks: `1/(T-1) Σ_{j<T-1} (a[T-1, j] − a[j, j])`.

    In [-1, 1], higher is better; minus `average_forgetting`. Lopez-Paz and Ranzato (NeurIPS 2017),
    equation 3.

    Raises:
        ValueError: as `average_forgetting`.
    """
    return 0.0 - average_forgetting(matrix)


def forward_transfer(matrix: MatrixLike, baseline: Sequence[float | None]) -> float:
    """Return the mean gain on tasks before learning them: `1/(T-1) Σ_{j>0} (a[j-1, j] − b_j)`.

    In [-1, 1], higher is better. Lopez-Paz and Ranzato (NeurIPS 2017), equation 4: the accuracy on
    each task but the first just before it is learned, minus that of the initial model.

    Args:
        matrix: the accuracies; each task but the first must be evaluated before it is learned.
        baseline: `b`, the accuracy on each of the T tasks before any is learned; that of the first
            is not used.

    Raises:
        ValueError: this is not an accuracy matrix, has fewer than two tasks, the baseline does not
            have T entries, or a required entry is missing.
    """
    array = _of_several("forward transfer", matrix)
    before = _as_accuracies(baseline, "baseline", len(array))
    gains = np.diagonal(array, offset=1) - before[1:]
    return float(np.mean(_complete(gains, "gains on tasks to come", array, first=1)))


def intransigence(matrix: MatrixLike, reference: Sequence[float | None]) -> Matrix:
    """Return each task's shortfall from the reference, `r_j − a[j, j]`: float64 [T].

    In [-1, 1], lower is better; NaN where it is unknown. In Chaudhry et al. (ECCV 2018), "Riemannian
    Walk", the reference of task `j` is trained on the tasks up to `j` together; many use one joint
    training on all T tasks instead.

    Args:
        matrix: the accuracies.
        reference: `r`, the accuracy of the reference on each of the T tasks; None: unknown.

    Raises:
        ValueError: this is not an accuracy matrix, or the reference does not have T entries.
    """
    array = as_accuracy_matrix(matrix)
    return _as_accuracies(reference, "reference", len(array)) - np.diagonal(array)


def average_intransigence(matrix: MatrixLike, reference: Sequence[float | None]) -> float:
    """Return the mean `intransigence`: `1/T Σ_j (r_j − a[j, j])`.

    In [-1, 1], lower is better.

    Raises:
        ValueError: as `intransigence`, or the value of a task is unknown.
    """
    array = as_accuracy_matrix(matrix)
    return float(np.mean(_complete(intransigence(array, reference), "intransigence", array)))


def _of_several(what: str, matrix: MatrixLike) -> Matrix:
    array = as_accuracy_matrix(matrix)
    if len(array) < 2:
        raise ValueError(f"{what} needs at least two tasks, found one")
    return array


def _as_accuracies(values: Sequence[float | None], what: str, tasks: int) -> Matrix:
    """Check the accuracies, one per task, and return them as float64 [T], NaN for None."""
    array = np.array(values, dtype=np.float64)
    if array.shape != (tasks,):
        raise ValueError(f"the {what} needs an accuracy for each of {tasks} tasks, found {values}")
    known = array[~np.isnan(array)]
    if not ((known >= 0) & (known <= 1)).all():
        raise ValueError(f"the {what} has accuracies outside of [0, 1], found {values}")
    return array


def _last_row(array: Matrix) -> Matrix:
    return _complete(array[-1], "row, the accuracies at the end,", array)


def _diagonal(array: Matrix) -> Matrix:
    return _complete(np.diagonal(array), "diagonal, the accuracies when learned,", array)


def _complete(values: Matrix, what: str, array: Matrix, first: int = 0) -> Matrix:
    missing = (first + np.flatnonzero(np.isnan(values))).tolist()
    if missing:
        raise ValueError(
            f"the {what} of this {len(array)}-task accuracy matrix lacks tasks {missing};"
            " evaluate every task seen so far after each task"
        )
    return values
