"""Where the samples of a batch lie in the tensors that a network computes from it.

The first dimension of an activation need not be the batch: recurrent and attention layers may put time
first, and windowed attention folds many windows of a sample into the batch dimension. Instead of
assuming, the layout is read off by comparing what one layer call gives for a whole batch with what the
same call gives for one of its samples alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

TENSOR_FLOAT = 2.0**-10
"""What TensorFloat-32 rounds to, in which a GPU multiplies float32."""

CHANCE = 1e-6
"""Below this probability of equal roundings, a column of one value is no coincidence."""


@dataclass(frozen=True)
class Layout:
    """Where the samples of a batch lie in a tensor: sample k owns ``inner`` entries along ``dim``.

    Attributes:
        dim: the dimension that holds the samples.
        samples: the number of samples, B.
        inner: entries of one sample along ``dim``.
        outermost: whether a sample's entries are consecutive (index ``k * inner + i``) rather than
            interleaved (index ``i * B + k``).
    """

    dim: int
    samples: int
    inner: int
    outermost: bool = True

    def split(self, tensor: Tensor) -> Tensor:
        """Return ``tensor`` as [B, inner, ...], the other dimensions in their order. A view if possible."""
        tensor = tensor.movedim(self.dim, 0)
        if self.outermost:
            return tensor.reshape(self.samples, self.inner, *tensor.shape[1:])
        return tensor.reshape(self.inner, self.samples, *tensor.shape[1:]).transpose(0, 1)

    def fits(self, tensor: Tensor) -> bool:
        """Return whether ``tensor`` has as many entries along ``dim`` as this layout says."""
        return tensor.dim() > self.dim and tensor.shape[self.dim] == self.samples * self.inner


def locate(
    batch: Tensor, single: Tensor, samples: int, k: int, rounding: float = 0.0
) -> Layout | None:
    """Find ``single``, computed from the k-th sample, in ``batch``, computed from all ``samples`` samples.

    Returns:
        The layout, or None unless exactly one way of reading ``batch`` shows ``single`` at sample k.
    """
    if batch.dim() != single.dim() or batch.dim() == 0:
        return None
    if samples == 1:
        return Layout(0, 1, batch.shape[0])
    differing = [d for d in range(batch.dim()) if batch.shape[d] != single.shape[d]]
    if len(differing) != 1 or batch.shape[differing[0]] != samples * single.shape[differing[0]]:
        return None
    dim, inner = differing[0], single.shape[differing[0]]
    orders = (True, False) if inner > 1 else (True,)
    layouts = [Layout(dim, samples, inner, outermost) for outermost in orders]
    alone = single.movedim(dim, 0)
    fitting = [layout for layout in layouts if close(layout.split(batch)[k], alone, rounding)]
    return fitting[0] if len(fitting) == 1 else None


def close(a: Tensor, b: Tensor, rounding: float = 0.0, among: tuple[Tensor, ...] = ()) -> bool:
    """Return whether two results of the same computation agree to half of their digits.

    These are the digits of what was computed with, which may be fewer than those of the results:
    a GPU takes other kernels for a batch than for one sample, and they round at other places.

    Args:
        a: a result.
        b: the other one.
        rounding: the relative rounding of the parameters they were computed from.
        among: outputs [B, C] whose columns they have. One that holds the same value in all rows is
            padding, such as -1000 for classes to come, and not what the others are measured by.
    """
    if a.shape != b.shape:
        return False
    if not a.is_floating_point():
        return torch.equal(a, b)
    size = b.abs()
    if among:
        size = size.masked_fill(_padded(torch.cat(among), rounding) & (a == b), 0)
    scale = size.amax() if b.numel() else b.new_zeros(())
    worst = (a - b).abs().amax() if b.numel() else scale
    return bool(worst <= _rounding(a, rounding) ** 0.5 * scale)


def _padded(rows: Tensor, rounding: float) -> Tensor:
    """Return which columns [C] hold one value in all rows, if others do not and it is no coincidence."""
    same = (rows == rows[:1]).all(0)
    chance = _spacing(rows, rounding) ** (len(rows) - 1)
    return same & ~same.all() & (chance < CHANCE)


def coarsest(parameters: Iterable[Tensor]) -> float:
    """Return the relative rounding of the parameters with the fewest digits."""
    return max((torch.finfo(p.dtype).eps for p in parameters), default=0.0)


def _rounding(result: Tensor, of_parameters: float) -> float:
    """Return the relative rounding of the products that a result may have been computed from."""
    spacing = _spacing(result, of_parameters)
    if result.is_cuda and spacing >= torch.finfo(torch.float32).eps:
        return max(spacing, TENSOR_FLOAT)  # by default in convolutions
    return spacing


def _spacing(result: Tensor, of_parameters: float) -> float:
    """Return the relative distance of the values that a result may have, whatever it is widened to."""
    kind, spacing = result.device.type, max(of_parameters, torch.finfo(result.dtype).eps)
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        spacing = max(spacing, torch.finfo(torch.get_autocast_dtype(kind)).eps)
    return spacing
