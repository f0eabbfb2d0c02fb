"""Ω: how sensitive a network's output is to each of its parameters. Pure torch."""

from avalanche_mas.importance.estimate import global_importance
from avalanche_mas.importance.importance import Importance

__all__ = ["Importance", "global_importance"]
