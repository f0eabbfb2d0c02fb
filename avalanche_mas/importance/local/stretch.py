"""What l-MAS takes as a layer."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Stretch"]


@dataclass(frozen=True)
class Stretch:
    """A layer of l-MAS.

    Attributes:
        end: the nonlinearity that ends it, or "output".
        parameters: names of its parameters, in the order of their use.
    """

    end: str
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' '.join(self.parameters)} -> {self.end}"
