"""Outputs whose squared norm does not depend on the parameters, so that Ω would be rounding."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn import Parameter

ALIKE, FLAT = 1e-5, 1e-4
"""Up to what share of its size the squared norm of outputs may differ, and its gradient be of another's,
to pass for a constant."""


class Norms:
    """The least and the largest squared norm of the outputs of samples."""

    def __init__(self) -> None:
        self._extremes: list[tuple[Tensor, Tensor]] = []  # of each batch

    def note(self, output: Tensor) -> None:
        """Note those of an output [B, C]."""
        norms = output.detach().to(torch.promote_types(output.dtype, torch.float32)).square().sum(1)
        self._extremes.append(norms.aminmax())

    def are_alike(self) -> bool:
        """Return whether all are the same, but for rounding, and not zero."""
        low = min(float(least) for least, _ in self._extremes)
        high = max(float(most) for _, most in self._extremes)
        return high > 0 and high - low <= ALIKE * high


def warn_if_flat(output: Tensor, parameters: Collection[Parameter]) -> None:
    """Warn if the squared norm of a sample's output [1, C] has next to no gradient.

    It is compared with the gradient of the output in another direction, of about the same length without
    padded units, too.
    """
    chance = torch.Generator().manual_seed(0)
    direction = torch.randn(output.shape, generator=chance, device="cpu").to(output)
    direction *= output.detach()
    own, other = (
        _norm(torch.autograd.grad(scalar, list(parameters), retain_graph=True, allow_unused=True))
        for scalar in (output.square().sum(), 2 * (direction * output).sum())
    )
    if own < FLAT * other:
        warnings.warn(
            f"the squared norm of the output is {output.detach().square().sum():.6g} for all samples and "
            "does not depend on the parameters, as of outputs normalised to one length, so that Ω is "
            "only rounding: measure output='vector', or pass as forward= what gives the output before that",
            stacklevel=4,
        )


def _norm(gradients: tuple[Tensor | None, ...]) -> float:
    return math.hypot(*(float(g.norm()) for g in gradients if g is not None))
