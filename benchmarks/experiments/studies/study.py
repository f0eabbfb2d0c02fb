"""What the runs of an experiment do besides training and evaluating."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmarks.methods import method_named

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin

    from avalanche_mas.streams import TaskBenchmark
    from benchmarks.record.schema import StudyResult
    from benchmarks.record.settings import Settings


class Study:
    """The part of a run that belongs to its experiment; this base class adds nothing.

    `stream` is the data as the run sees them.
    """

    def __init__(self, settings: Settings, stream: TaskBenchmark) -> None:
        self.settings, self.stream = settings, stream

    def method_plugins(self) -> list[SupervisedPlugin]:
        """Return the plugins that turn plain training into the run's method."""
        settings = self.settings
        method = method_named(settings.method)
        return method.plugins(settings.strength, settings.importance_on, settings.penalty)

    def observers(self) -> list[SupervisedPlugin]:
        """Return plugins that only watch; they are called last."""
        return []

    def state_dict(self) -> dict[str, float]:
        """Return what the result needs and no plugin saves."""
        return {}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from a `state_dict`."""

    def result(self) -> StudyResult:
        """Return what to add to `result.json`."""
        return {}
