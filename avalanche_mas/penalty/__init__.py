"""The quadratic penalty: Ω, θ*, its value and its gradient. Pure torch."""

from avalanche_mas.penalty.quadratic import QuadraticPenalty

__all__ = ["QuadraticPenalty"]
