"""The base of the metrics of a MAS plugin, which finds the plugin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from avalanche.evaluation import PluginMetric
from avalanche.evaluation.metric_results import MetricValue

from avalanche_mas.metrics.values import Small, published
from avalanche_mas.plugins.base import ImportancePlugin


class MASMetric(PluginMetric[dict[str, Any]]):
    """A metric of the strategy's `MASPlugin` or `LocalMASPlugin`.

    It looks the plugin up in the strategy on each use, so it can be pickled with or without the
    strategy, and then used with another strategy.

    Args:
        plugin: the plugin to measure; needed if the strategy has several. A pickle does not keep it:
            the copy needs a strategy with one plugin.
    """

    supports_distributed = True

    def __init__(self, plugin: ImportancePlugin | None = None) -> None:
        super().__init__()
        self.plugin = plugin
        self._last: dict[str, Any] = {}

    def reset(self) -> None:
        """Forget what was published."""
        self._last = {}

    def result(self) -> dict[str, Any]:
        """Return the values published last, by name."""
        return dict(self._last)

    def before_training(self, strategy: Any) -> None:
        """Check that the strategy has the plugin.

        Raises:
            ValueError: there is none, or several and none was given.
        """
        self.plugin_of(strategy)

    def plugin_of(self, strategy: Any) -> ImportancePlugin:
        """Return the strategy's plugin.

        Raises:
            ValueError: there is none, or several and none was given.
        """
        found = [plugin for plugin in strategy.plugins if isinstance(plugin, ImportancePlugin)]
        if self.plugin is not None:
            found = [plugin for plugin in found if plugin is self.plugin]
        if len(found) == 1:
            return found[0]
        name, given = type(self).__name__, "" if self.plugin is None else " that it was given"
        raise ValueError(
            f"{name} needs the MASPlugin or LocalMASPlugin{given} among the strategy's plugins, "
            f"which has {len(found)} of {[type(plugin).__name__ for plugin in strategy.plugins]}; "
            + ("give one with plugin=" if found else "add one, or leave out this metric")
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "plugin": None}

    def _publish(
        self, strategy: Any, values: Mapping[Any, Any], *, task: bool = False
    ) -> list[MetricValue]:
        """Publish values by name, or by (name, layer); a number that is NaN is left out."""
        made = []
        for key, value in values.items():
            name, layer = (key, None) if isinstance(key, str) else key
            if not isinstance(value, float):
                made.append(published(self, strategy, name, value, task=task, layer=layer))
            elif not math.isnan(value):
                made.append(published(self, strategy, name, Small(value), task=task, layer=layer))
        self._last = {each.name: each.value for each in made}
        return made
