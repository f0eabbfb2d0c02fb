"""What l-MAS takes as a layer, and what is known of one that is not complete yet."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Stretch", "Use"]


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


@dataclass
class Use:
    """A use of parameters by one operation.

    Attributes:
        names: of the parameters.
        ends: the ends of stretches that it has contributed to, a bit for each.
        is_leaf: whether its gradient is that of a parameter, which no rule covers here.
    """

    names: tuple[str, ...]
    ends: int = 0
    is_leaf: bool = False
