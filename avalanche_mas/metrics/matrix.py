"""The accuracy matrix of a strategy, as Avalanche evaluates it."""

from __future__ import annotations

from typing import Any

import numpy as np
from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue
from avalanche.training.supervised import JointTraining

from avalanche_mas.metrics.accuracy import Matrix, average_accuracy, average_forgetting
from avalanche_mas.metrics.values import published
from avalanche_mas.processes import gathered, group_of, place_in


class AccuracyMatrix(PluginMetric[Matrix]):
    """A metric that records the accuracy matrix and publishes its means over the tasks seen so far.

    Pass it to Avalanche's `EvaluationPlugin`. Each evaluation of the stream fills the row of the
    task learned last; rows and columns are the positions of the experiences in their streams. After
    each evaluation of all tasks seen so far it publishes, with the stream's name::

        TaskMean_Acc/eval_phase/test_stream           `average_accuracy`
        TaskMean_Forgetting/eval_phase/test_stream    `average_forgetting`, from the second task on

    and nothing after an evaluation of only some of them. Experiences must be learned in the stream's
    order. The sub-experiences of an online stream count as the experience they belong to, and
    `JointTraining` fills the last row only. Where several processes train together, each must have
    this metric: they count together what Avalanche has dealt out to them.

    Args:
        stream: name of the stream to record; evaluations on other streams are ignored.
    """

    supports_distributed = True

    def __init__(self, stream: str = "test") -> None:
        super().__init__()
        self.stream = stream
        self.reset()

    def reset(self) -> None:
        """Forget everything recorded."""
        self._accuracies: dict[tuple[int, int], float] = {}
        self._learned = -1
        self._seen: set[int] = set()  # tasks that have been learned
        self._evaluated: set[int] = set()  # tasks of this evaluation
        self._right: list[bool] = []  # of each sample of this experience

    @property
    def matrix(self) -> Matrix:
        """The accuracies so far: float64 [T, T], NaN where not evaluated; T is the tasks met so far."""
        size = 1 + max((max(position) for position in self._accuracies), default=-1)
        matrix = np.full((size, size), np.nan)
        for position, accuracy in self._accuracies.items():
            matrix[position] = accuracy
        return matrix

    def result(self) -> Matrix:
        """Return `matrix`."""
        return self.matrix

    def before_training_exp(self, strategy: Any) -> None:
        """Note the task that is learned next."""
        positions = _positions_learned(strategy)
        position = max(positions)
        if position < self._learned:
            raise ValueError(
                f"experience {position} is trained after experience {self._learned}; an accuracy"
                " matrix needs the experiences in the stream's order"
            )
        self._learned = position
        self._seen |= positions

    def before_eval(self, strategy: Any) -> None:  # noqa: ARG002 - Avalanche's signature
        """Forget which tasks the evaluation before was of."""
        self._evaluated = set()

    def before_eval_exp(self, strategy: Any) -> None:  # noqa: ARG002 - Avalanche's signature
        """Forget the samples before."""
        self._right = []

    def after_eval_iteration(self, strategy: Any) -> None:
        """Note which samples of a batch are classified right."""
        self._right += (strategy.mb_output.argmax(dim=1) == strategy.mb_y).tolist()

    def after_eval_exp(self, strategy: Any) -> list[MetricValue]:
        """Record one entry of the matrix."""
        experience = strategy.experience
        if experience.origin_stream.name == self.stream:
            group = group_of(strategy.model)
            own = _without_repeated(self._right, len(experience.dataset), *place_in(group))
            right, samples = map(sum, zip(*gathered(group, (sum(own), len(own))), strict=True))
            if samples:
                self._record(experience.current_experience, right / samples)
        return []

    def after_eval(self, strategy: Any) -> list[MetricValue]:
        """Publish the numbers derived from the accuracies on the tasks seen so far."""
        experience = strategy.experience
        if experience is None or experience.origin_stream.name != self.stream:
            return []
        seen = sorted(self._seen)
        if not seen or not self._seen <= self._evaluated:
            return []
        values = self._values(self.matrix[np.ix_(seen, seen)], seen)
        return [published(self, strategy, name, value) for name, value in values.items()]

    def _record(self, task: int, accuracy: float) -> None:
        self._evaluated.add(task)
        if self._learned >= 0:
            self._accuracies[self._learned, task] = accuracy

    def _values(self, matrix: Matrix, tasks: list[int]) -> dict[str, Any]:  # noqa: ARG002 - for subclasses
        """Return the values to publish by name, given the tasks seen so far and their matrix."""
        values = {"TaskMean_Acc": average_accuracy(matrix)}
        if len(matrix) > 1 and not np.isnan(np.diagonal(matrix)).any():
            values["TaskMean_Forgetting"] = average_forgetting(matrix)
        return values


def _without_repeated(own: list[bool], samples: int, rank: int, processes: int) -> list[bool]:
    """Return what belongs to the different samples of a data set that torch has dealt out in turn.

    `DistributedSampler` repeats some, so that all processes get equally many.
    """
    is_dealt_out = len(own) == -(-samples // processes)
    return own[: len(range(rank, samples, processes))] if is_dealt_out else own


def _positions_learned(strategy: Any) -> set[int]:
    """Return the positions in the stream of the tasks being trained."""
    if isinstance(strategy, JointTraining):
        return {int(experience.current_experience) for experience in strategy._experiences}
    experience = strategy.experience
    return {int(getattr(experience, "origin_experience", experience).current_experience)}
