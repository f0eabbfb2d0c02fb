"""The layers of l-MAS, and the uses of parameters in them."""

from __future__ import annotations

from dataclasses import dataclass


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
        is_leaf: whether no rule covers it, so that its gradient is that of a parameter.
    """

    names: tuple[str, ...]
    ends: int = 0
    is_leaf: bool = False
