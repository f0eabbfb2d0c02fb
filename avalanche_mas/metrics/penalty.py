"""The penalty during training, and the drift that it has allowed."""

from __future__ import annotations

import math
from typing import Any

from avalanche.evaluation.metric_results import MetricValue

from avalanche_mas.metrics.drift import drift_by_layer, weighted_squares
from avalanche_mas.metrics.plugin import MASMetric
from avalanche_mas.plugins.base import ImportancePlugin

EVERY = 50
"""Measuring the penalty takes up to a quarter of a training step (a small multilayer perceptron at batch
size 32 on one core; 3 % for AlexNet), so at every 50th step it costs less than 1 %."""


class PenaltyMetrics(MASMetric):
    """Metrics of the penalty's value and its share of the objective, at every n-th training iteration.

    From the second task on it publishes

        Penalty_MB/train_phase/train_stream/Task001        λ Σ Ω (θ − θ*)², no ½
        PenaltyShare_MB/train_phase/train_stream/Task001   its share of loss + penalty, in [0, 1]

    both for the parameters and the batch of the current loss. Where several processes train together,
    the batch is that of this process. The share is left out where the loss is negative or not finite.

    Args:
        every: n; iterations are counted over all tasks, and the first measured is the n-th.
        plugin: as for `MASMetric`.

    Raises:
        ValueError: `every` is not positive.
    """

    def __init__(self, every: int = EVERY, plugin: ImportancePlugin | None = None) -> None:
        super().__init__(plugin)
        if every < 1:
            raise ValueError(f"every must be positive, got {every}")
        self.every = every

    def after_backward(self, strategy: Any) -> list[MetricValue]:
        """Publish the values at every n-th iteration."""
        if (strategy.clock.train_iterations + 1) % self.every:
            return []
        plugin = self.plugin_of(strategy)
        if not plugin.quadratic_penalty.importance:
            return []
        squares = weighted_squares(plugin.quadratic_penalty, strategy.model, plugin.left_out)
        penalty = plugin.lambda_reg * math.fsum(squares.values())
        minimised = strategy.loss.item() + (0.0 if plugin.penalty == "loss" else penalty)
        values = {"Penalty_MB": penalty, "PenaltyShare_MB": penalty_share(penalty, minimised)}
        return self._publish(strategy, values, task=True)


class DriftMetrics(MASMetric):
    """Metrics of how far a task has moved the parameters that earlier tasks need.

    At the end of each task from the second on it publishes, with the current θ and with Ω and θ* of
    the earlier tasks::

        Drift/train_phase/train_stream           √(Σ Ω (θ − θ*)²) over all held parameters
        Drift/train_phase/train_stream/conv1     over those of the layer "conv1", if asked

    The square of the first, times λ, is the penalty at the end of the task.

    Args:
        per_layer: whether to publish a number for each layer.
        plugin: as for `MASMetric`.
    """

    def __init__(self, per_layer: bool = False, plugin: ImportancePlugin | None = None) -> None:
        super().__init__(plugin)
        self.per_layer = per_layer

    def after_training_exp(self, strategy: Any) -> list[MetricValue]:
        """Publish the values if a task has ended."""
        plugin = self.plugin_of(strategy)
        if not (plugin.between_tasks and plugin.quadratic_penalty.importance):
            return []
        squares = weighted_squares(plugin.quadratic_penalty, strategy.model, plugin.left_out)
        layers = drift_by_layer(squares) if self.per_layer else {}
        total = math.sqrt(math.fsum(squares.values()))
        by_layer = {("Drift", layer): value for layer, value in layers.items()}
        return self._publish(strategy, {"Drift": total, **by_layer})


def penalty_share(penalty: float, minimised: float) -> float:
    """Return the penalty divided by the objective, loss plus penalty, in [0, 1].

    NaN if the ratio is meaningless: the loss is negative, a value is not finite, or all are 0.
    """
    tolerance = 1e-5 * penalty  # for rounding of the sum
    if not (math.isfinite(minimised) and minimised > 0 and penalty <= minimised + tolerance):
        return math.nan
    return min(penalty / minimised, 1.0)
