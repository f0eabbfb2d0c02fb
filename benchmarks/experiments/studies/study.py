"""What the runs of an experiment do beside training and evaluating."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.methods import METHODS

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin

    from avalanche_mas.streams import TaskBenchmark
    from benchmarks.record.schema import StudyResult
    from benchmarks.record.settings import Settings


class Study:
    """One run's part in an experiment. As it stands it adds nothing.

    Args:
        settings: The run's configuration.
        stream: Its data.

    Attributes:
        settings: The run's configuration.
        stream: The data as the run is to see them.
    """

    def __init__(self, settings: Settings, stream: TaskBenchmark) -> None:
        self.settings, self.stream = settings, stream

    def method_plugins(self) -> list[SupervisedPlugin]:
        """Return the plugins that make plain training into the run's method."""
        settings = self.settings
        method = METHODS[settings.method]
        return method.plugins(settings.strength, settings.importance_on, settings.penalty)

    def observers(self) -> list[SupervisedPlugin]:
        """Return plugins that look on: they are called last and change nothing."""
        return []

    def result(self) -> StudyResult:
        """Return what `result.json` is to hold beside what every run's does."""
        return {}
