"""Ω: how sensitive a network's output is to each of its parameters. Pure torch."""

from avalanche_mas.importance.estimate import global_importance, local_importance, stretches
from avalanche_mas.importance.importance import Importance
from avalanche_mas.importance.stretch import Stretch

__all__ = ["Importance", "Stretch", "global_importance", "local_importance", "stretches"]
