"""A run of the experiment local-vs-global: both importances after one task, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from avalanche_mas import LocalMASPlugin, MASPlugin
from benchmarks.experiments._layers import compare
from benchmarks.experiments.study import Study

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin

    from avalanche_mas.streams import TaskBenchmark
    from benchmarks.record.settings import Settings


class TwoImportances(Study):
    """The task is learned plainly; at its end both importances are measured on its training data.

    The two plugins have strength 0, and with one task there is no penalty in any case.
    """

    def __init__(self, settings: Settings, stream: TaskBenchmark) -> None:
        super().__init__(settings, stream)
        self.both = {"global": MASPlugin(0.0), "local": LocalMASPlugin(0.0)}

    def observers(self) -> list[SupervisedPlugin]:
        """Return the plugins that measure."""
        return list(self.both.values())

    def result(self) -> dict[str, Any]:
        """Return the comparison parameter by parameter, and how long each measurement took."""
        return {
            "importances": compare(self.both["global"].importance, self.both["local"].importance),
            "importance_seconds": {n: mas.importance_seconds for n, mas in self.both.items()},
        }
