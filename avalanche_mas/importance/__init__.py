"""Ω: how sensitive a network's output is to each of its parameters. Pure torch."""

from avalanche_mas.importance.estimate import (
    fisher_information,
    global_importance,
    local_importance,
    stretches,
)
from avalanche_mas.importance.local.stretch import Stretch
from avalanche_mas.importance.result.importance import Importance
from avalanche_mas.importance.result.measure import Measure

__all__ = [
    "Importance",
    "Measure",
    "Stretch",
    "fisher_information",
    "global_importance",
    "local_importance",
    "stretches",
]
