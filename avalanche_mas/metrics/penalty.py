"""The penalty while it is at work, and what it has let through."""

from __future__ import annotations

import math
from typing import Any

from avalanche.evaluation.metric_results import MetricValue

from avalanche_mas.metrics.drift import drift_by_layer, weighted_squares
from avalanche_mas.metrics.plugin import MASMetric
from avalanche_mas.metrics.values import Small, published
from avalanche_mas.plugins.base import ImportancePlugin

__all__ = ["EVERY", "DriftMetrics", "PenaltyMetrics", "penalty_share"]

EVERY = 50
"""Measuring the penalty takes up to a quarter of a training step (of a small multilayer perceptron at
batch size 32, on one core; AlexNet 3 %): at every 50th one it costs less than 1 %."""


class PenaltyMetrics(MASMetric):
    """The penalty's value, and its share of what is minimised, at every n-th training iteration.

    From the second task on it publishes

        Penalty_MB/train_phase/train_stream/Task001        λ Σ Ω (θ − θ*)², no ½
        PenaltyShare_MB/train_phase/train_stream/Task001   its share of loss + penalty, in [0, 1]

    both with the parameters and on the batch that the loss is of. The share is left out where the
    loss is negative or not finite.

    Args:
        every: n; iterations are counted over all tasks, and the n-th one is the first.
        plugin: As for `MASMetric`.

    Raises:
        ValueError: `every` is not positive.
    """

    def __init__(self, every: int = EVERY, plugin: ImportancePlugin | None = None) -> None:
        super().__init__(plugin)
        if every < 1:
            raise ValueError(f"every must be positive, got {every}")
        self.every = every

    def after_backward(self, strategy: Any) -> list[MetricValue]:
        """Publishes, where it is the iteration's turn."""
        if (strategy.clock.train_iterations + 1) % self.every:
            return []
        plugin = self.plugin_of(strategy)
        if not plugin.quadratic_penalty.importance:
            return []
        squares = weighted_squares(plugin.quadratic_penalty, strategy.model, plugin.left_out)
        penalty = plugin.lambda_reg * math.fsum(squares.values())
        minimised = strategy.loss.item() + (0.0 if plugin.penalty == "loss" else penalty)
        values = {"Penalty_MB": penalty, "PenaltyShare_MB": penalty_share(penalty, minimised)}
        return self._published(
            [
                published(self, strategy, name, Small(value), task=True)
                for name, value in values.items()
                if not math.isnan(value)
            ]
        )


class DriftMetrics(MASMetric):
    """How far a task has moved what the tasks before it need.

    At the end of each task from the second on it publishes, of θ at that time, and of Ω and θ* of
    the tasks before,

        Drift/train_phase/train_stream           √(Σ Ω (θ − θ*)²) over all that is held
        Drift/train_phase/train_stream/conv1     over the parameters of the layer "conv1"

    The square of the first, times λ, is the penalty at the end of the task.

    Args:
        per_layer: Whether to publish a number for each layer.
        plugin: As for `MASMetric`.
    """

    def __init__(self, per_layer: bool = True, plugin: ImportancePlugin | None = None) -> None:
        super().__init__(plugin)
        self.per_layer = per_layer

    def after_training_exp(self, strategy: Any) -> list[MetricValue]:
        """Publishes, where a task has ended."""
        plugin = self.plugin_of(strategy)
        if not (plugin.between_tasks and plugin.quadratic_penalty.importance):
            return []
        squares = weighted_squares(plugin.quadratic_penalty, strategy.model, plugin.left_out)
        total = Small(math.sqrt(math.fsum(squares.values())))
        layers = drift_by_layer(squares) if self.per_layer else {}
        return self._published(
            [
                published(self, strategy, "Drift", total),
                *(
                    published(self, strategy, "Drift", Small(value), layer=layer)
                    for layer, value in layers.items()
                ),
            ]
        )


def penalty_share(penalty: float, minimised: float) -> float:
    """The penalty over what is minimised, loss and penalty together, in [0, 1].

    NaN where that says nothing: the loss is negative, or something is not finite, or all is 0.
    """
    tolerance = 1e-5 * penalty  # the sum may have been rounded
    if not (math.isfinite(minimised) and minimised > 0 and penalty <= minimised + tolerance):
        return math.nan
    return min(penalty / minimised, 1.0)
