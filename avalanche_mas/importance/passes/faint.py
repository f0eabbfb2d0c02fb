"""Gradients too small for float16, so that Ω would be too small, too."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

FAINT, SMALL = 2.0**-18, 2.0**-10
"""A gradient below the first, 4e-6, has fewer than two digits in float16, whose smallest number is 6e-8.
A zero gradient may have been rounded to zero if that at another layer is below the second."""


class Faint:
    """The largest gradient at each layer, as far as it is in float16, by the name of a parameter."""

    def __init__(self) -> None:
        self._largest: dict[str, Tensor] = {}

    def note(self, name: str, gradient: Tensor) -> None:
        """Note the gradient at the output of a parameter's layer, if it is in float16."""
        if gradient.dtype is torch.float16 and gradient.numel():
            largest = gradient.abs().amax()
            self._largest[name] = torch.maximum(largest, self._largest.get(name, largest))

    def add(self, other: Faint) -> None:
        """Note what another one has noted."""
        for name, largest in other._largest.items():
            self.note(name, largest)

    def warn(self) -> None:
        """Warn if all gradients at a layer are too small."""
        largest = {name: float(value) for name, value in self._largest.items()}
        small = any(0 < value < SMALL for value in largest.values())
        faint = [n for n, value in largest.items() if value < FAINT and (value or small)]
        if faint:
            warnings.warn(
                f"the gradients at {faint[0]!r} are at most {largest[faint[0]]:.0e}, which float16 cannot "
                f"resolve, so Ω of {len(faint)} layers is too small or zero; measure it in bfloat16 or "
                "float32: outside autocast, or on a copy of the model that is cast",
                stacklevel=4,
            )
