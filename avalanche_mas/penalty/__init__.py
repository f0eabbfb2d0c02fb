"""The quadratic penalty: Ω, θ*, its value and its gradient. Pure torch."""

from avalanche_mas.penalty.gradient import PIECE
from avalanche_mas.penalty.growth import block
from avalanche_mas.penalty.quadratic import QuadraticPenalty
from avalanche_mas.penalty.rates import Rates, learning_rates

__all__ = ["PIECE", "QuadraticPenalty", "Rates", "block", "learning_rates"]


def __dir__() -> list[str]:
    return __all__
