"""Ω after each task: its size, spread and place in the network, and the cost of measuring it."""

from __future__ import annotations

import math
from typing import Any

from avalanche.evaluation.metric_results import MetricValue

from avalanche_mas.importance.result.histogram import histogram_figure, ridges
from avalanche_mas.importance.result.ranked import Ranked, ranked
from avalanche_mas.importance.result.summary import HEADER, LayerSummary, Summary, summary_of
from avalanche_mas.metrics.capacity import top_share, used_capacity
from avalanche_mas.metrics.plugin import MASMetric
from avalanche_mas.metrics.values import Plot, Table
from avalanche_mas.plugins.base import ImportancePlugin

FIELDS = {
    "Omega_Mean": "mean",
    "Omega_Q05": "q05",
    "Omega_Q50": "q50",
    "Omega_Q95": "q95",
    "Omega_Q99": "q99",
    "Omega_Max": "maximum",
    "Omega_Share": "share",
}
"""The fields of a layer's summary by the names they are published under."""

MEGABYTE = 1e6


class OmegaMetrics(MASMetric):
    """Metrics of Ω as accumulated over the tasks learned so far, in numbers and a figure.

    At the end of each task it publishes, under the names `NAME/train_phase/train_stream`::

        Omega_Mean, Omega_Q05, Omega_Q50, Omega_Q95, Omega_Q99, Omega_Max
                            mean, exact quantiles and maximum, over all layers
        Omega_TopShare      the share of ΣΩ in the 1 % of parameters with the largest Ω
        Omega_UsedCapacity  the share of parameters with Ω above the threshold
        Omega_Histogram     the distribution in each layer, as a figure
        Omega_Table         the summary of each layer, as a table

    and, if asked, for each layer `NAME/train_phase/train_stream/LAYER` for the names of the first row
    and for Omega_Share, the layer's share of ΣΩ. Later changes by `update_importance` show at the end
    of the next task. The cost is one sort of Ω: seconds for 10⁸ parameters.

    Args:
        per_layer: whether to publish numbers for each layer.
        threshold: threshold of the used capacity, in the units of Ω; None: the current mean of Ω.
        plugin: as for `MASMetric`.
        pictures: whether to publish the figure.

    Raises:
        ValueError: the threshold is negative or NaN.
    """

    def __init__(
        self,
        per_layer: bool = False,
        threshold: float | None = None,
        plugin: ImportancePlugin | None = None,
        *,
        pictures: bool = True,
    ) -> None:
        super().__init__(plugin)
        if threshold is not None and not threshold >= 0:
            raise ValueError(f"threshold must not be negative, got {threshold}")
        self.per_layer, self.threshold, self.pictures = per_layer, threshold, pictures

    def after_training_exp(self, strategy: Any) -> list[MetricValue]:
        """Publish the values if a task has ended."""
        plugin = self.plugin_of(strategy)
        plugin.catch_up(strategy)
        if not (plugin.between_tasks and plugin.importance):
            return []
        omega = ranked(plugin.importance)
        summary = summary_of(omega, samples=0, measure=plugin.measure)
        values = self._overall(omega, summary)
        for row in summary.rows if self.per_layer else ():
            if row.entries:
                values |= {(name, row.layer): getattr(row, f) for name, f in FIELDS.items()}
        return self._publish(strategy, values)

    def _overall(self, omega: Ranked, summary: Summary) -> dict[Any, Any]:
        total = summary.total
        values: dict[Any, Any] = {name: getattr(total, field) for name, field in FIELDS.items()}
        del values["Omega_Share"]  # which is 1
        values |= {
            "Omega_TopShare": top_share(omega.together),
            "Omega_UsedCapacity": used_capacity(omega.together, self.threshold),
            "Omega_Table": _summary_table(summary),
        }
        if self.pictures and total.maximum > 0:
            values["Omega_Histogram"] = Plot(histogram_figure, ridges(omega))
        return values


class ImportanceCost(MASMetric):
    """Metrics of what measuring importance cost this process, at the end of each task.

    It publishes, under the names `NAME/train_phase/train_stream`::

        Importance_Seconds        the duration of the pass, including consolidation
        Importance_PeakMegabytes  how much it raised the memory peak, in 10⁶ bytes; 0 where it
                                  needed no more than training, see `MASPlugin.importance_bytes`
        Importance_HeldMegabytes  the size of Ω and θ*, in 10⁶ bytes
    """

    def after_training_exp(self, strategy: Any) -> list[MetricValue]:
        """Publish the values if a task has ended."""
        plugin = self.plugin_of(strategy)
        plugin.catch_up(strategy)
        if not (plugin.between_tasks and plugin.importance):
            return []
        held = [*plugin.importance.values(), *plugin.anchors.values()]
        values = {
            "Importance_Seconds": plugin.importance_seconds,
            "Importance_PeakMegabytes": plugin.importance_bytes / MEGABYTE,
            "Importance_HeldMegabytes": sum(t.numel() * t.element_size() for t in held) / MEGABYTE,
        }
        return self._publish(strategy, values)


def _summary_table(summary: Summary) -> Table:
    rows = [_without_nan(row) for row in (*summary.rows, summary.total)]
    return Table(HEADER, rows, str(summary))


def _without_nan(row: LayerSummary) -> list[Any]:
    return [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in row]
