"""Ω: how sensitive a network's output is to each of its parameters. Pure torch."""

from avalanche_mas.importance.estimate import global_importance, local_importance, stretches
from avalanche_mas.importance.local.stretch import Stretch
from avalanche_mas.importance.result.importance import Importance

__all__ = ["Importance", "Stretch", "global_importance", "local_importance", "stretches"]
