"""An evaluation plugin with all metrics, from one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.plugins.evaluation import default_loggers

from avalanche_mas.metrics.matrix import AccuracyMatrix
from avalanche_mas.metrics.omega import ImportanceCost, OmegaMetrics
from avalanche_mas.metrics.penalty import EVERY, DriftMetrics, PenaltyMetrics
from avalanche_mas.metrics.plugin import MASMetric
from avalanche_mas.metrics.report import AccuracyReport
from avalanche_mas.plugins.base import ImportancePlugin


def mas_metrics(
    *,
    per_layer: bool = False,
    every: int = EVERY,
    threshold: float | None = None,
    plugin: ImportancePlugin | None = None,
    pictures: bool = True,
) -> list[MASMetric]:
    """Return all metrics of a MAS plugin, as arguments of Avalanche's `EvaluationPlugin`.

    Args:
        per_layer: whether to publish numbers for each layer.
        every: the penalty is measured at every n-th training iteration.
        threshold: threshold of the used capacity, see `OmegaMetrics`.
        plugin: the plugin to measure; needed if the strategy has several.
        pictures: whether to publish figures, which take most of the time of logging.

    Returns:
        `PenaltyMetrics`, `DriftMetrics`, `OmegaMetrics` and `ImportanceCost`. Each raises a
        ValueError at the start of training if the strategy has no MAS plugin.
    """
    return [
        PenaltyMetrics(every, plugin),
        DriftMetrics(per_layer, plugin),
        OmegaMetrics(per_layer, threshold, plugin, pictures=pictures),
        ImportanceCost(plugin),
    ]


def mas_evaluator(
    *metrics: PluginMetric[Any] | Sequence[PluginMetric[Any]],
    loggers: BaseLogger | Sequence[BaseLogger] | None = None,
    matrix: AccuracyMatrix | None = None,
    per_layer: bool = False,
    every: int = EVERY,
) -> EvaluationPlugin:
    """Return an evaluation plugin for a strategy with a `MASPlugin` or `LocalMASPlugin`.

    Its metrics are Avalanche's accuracy and loss of each training epoch and each evaluated
    experience, the accuracy matrix with the numbers derived from it (`AccuracyReport`), and those of
    MAS (`mas_metrics`). Every logger gets each value in a form it can show.

    Args:
        metrics: further metrics.
        loggers: the loggers; None: the terminal, as in Avalanche's default evaluator.
        matrix: records the accuracy matrix; None: `AccuracyReport()`, of the stream "test".
        per_layer: whether to publish numbers for each layer, dozens per task; the table of Ω by layer
            does not depend on it.
        every: the penalty is measured at every n-th training iteration.

    Raises:
        ValueError: `every` is not positive; or, at the start of training, the strategy has no
            MAS plugin.
    """
    return EvaluationPlugin(
        accuracy_metrics(epoch=True, experience=True),
        loss_metrics(epoch=True, experience=True),
        matrix or AccuracyReport(),
        mas_metrics(per_layer=per_layer, every=every),
        *metrics,
        loggers=default_loggers if loggers is None else loggers,
    )
