"""The quadratic penalty: Ω, θ*, its value and its gradient. Pure torch."""

from avalanche_mas.penalty.growth import block
from avalanche_mas.penalty.quadratic import PIECE, QuadraticPenalty

__all__ = ["PIECE", "QuadraticPenalty", "block"]
