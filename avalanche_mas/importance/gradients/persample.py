"""Per-sample gradients of one parameter, and Σ_k |g_k| or Σ_k g_k² without holding them all.

A layer's weight gradient for one sample is cheap to describe (two small factors, or an input and the
gradient at the output) and expensive to store (as large as the weight, B times). Each class here is
one such description. ``chunk`` writes out a piece; ``add_sum`` adds the sum to a running total, piece
by piece. :mod:`avalanche_mas.importance.gradients.pieces` says how large a piece is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from typing_extensions import override

from avalanche_mas.devices import in_caches
from avalanche_mas.importance.gradients.pieces import (
    CACHE_BYTES,
    Magnitude,
    add_magnitudes,
    piece_bytes,
    scratch,
    wide_type,
)


class PerSample(ABC):
    """Per-sample gradients g_k, k = 0 … B-1, of a parameter of shape ``shape``.

    Attributes:
        way: how the sum is added, in words.
        beside: extra bytes needed to write out one sample's gradient.
    """

    samples: int
    shape: torch.Size
    way: str
    beside: int = 0

    @abstractmethod
    def chunk(self, samples: slice, rows: slice) -> Tensor:
        """Write out the gradients of some samples, [b, r, ...]: only ``rows`` of the first dimension."""

    def add_sum(self, of: Magnitude, total: Tensor, max_bytes: int) -> None:
        """Add Σ_k of(g_k) to ``total`` in place; the pieces written out take at most ``max_bytes``.

        A piece holds at least one row of one sample's gradient.
        """
        for samples, rows in self.pieces(total, max_bytes):
            target = total[rows] if self.shape else total
            add_magnitudes(of, target, self.chunk(samples, rows), overwrite=True)

    def wide(self) -> PerSample:
        """Return the same gradients, computed in float32 or wider; kernels take narrower ones."""
        return self

    def joined(self) -> PerSample | None:
        """Return all samples as one, with the same Σ_k |g_k|, or None where an entry changes its sign.

        Where each factor of an entry keeps its sign, over the samples and over what is summed within one,
        the sum of absolute values is the absolute value of the sum: one ordinary gradient.
        """
        return None

    def add_squares(self, sums: Tensor, max_bytes: int) -> None:
        """Add g_k² to ``sums`` [B, *shape] in place, piece by piece."""
        for samples, rows in self.pieces(sums[0], max_bytes):
            target = sums[samples, rows] if self.shape else sums[samples]
            piece = self.chunk(samples, rows)
            target.addcmul_(piece, piece)

    def pieces(self, total: Tensor, max_bytes: int) -> Iterator[tuple[slice, slice]]:
        """Cut the gradients into (samples, rows) of the size of a piece, given one sample's."""
        rows = self.shape[0] if self.shape else 1
        row_bytes = max(1, total.numel() // max(1, rows)) * total.element_size()
        budget = piece_bytes(max_bytes, total.device)
        fitting = min(budget // max(1, rows * row_bytes), max_bytes // 3 // max(1, self.beside))
        per_piece = max(1, min(self.samples, fitting))
        rows_per_piece = max(1, min(rows, budget // row_bytes))
        for first in range(0, rows, rows_per_piece):
            part = slice(first, min(first + rows_per_piece, rows))
            for k in range(0, self.samples, per_piece):
                yield slice(k, min(k + per_piece, self.samples)), part


class Dense(PerSample):
    """Gradients that are small enough to be held: biases, scales of normalisation layers."""

    way = "held for all samples"

    def __init__(self, gradients: Tensor) -> None:  # [B, *shape]
        self.gradients = gradients
        self.samples, self.shape = gradients.shape[0], gradients.shape[1:]

    @override
    def chunk(self, samples: slice, rows: slice) -> Tensor:
        part = self.gradients[samples]
        return (part[:, rows] if self.shape else part).clone()

    @override
    def add_sum(self, of: Magnitude, total: Tensor, max_bytes: int) -> None:
        add_magnitudes(of, total, self.gradients)

    @override
    def add_squares(self, sums: Tensor, max_bytes: int) -> None:
        sums.addcmul_(self.gradients, self.gradients)


class Outer(PerSample):
    """g_k = left_k right_k, with left_k [O, P] and right_k [P, I]; P positions share the weight.

    With one position per sample, |g_k| = |left_k| |right_k|, so that Σ_k |g_k| is a single matrix
    product and no per-sample gradient is ever formed; and likewise Σ_k g_k².
    """

    def __init__(self, left: Tensor, right: Tensor, shape: torch.Size) -> None:
        self.left, self.right = left, right  # [B, O, P], [B, P, I]
        self.samples, self.shape = left.shape[0], shape
        self.way = "one product for all samples" if self.factors else "a product for each sample"

    @property
    def factors(self) -> tuple[Tensor, Tensor] | None:
        """The factors [B, O] and [B, I] where a sample has one position, None where it has more."""
        return (self.left[:, :, 0], self.right[:, 0]) if self.left.shape[2] == 1 else None

    @override
    def wide(self) -> PerSample:
        left, right = (tensor.to(wide_type(tensor)) for tensor in (self.left, self.right))
        return Outer(left, right, self.shape)

    @override
    def joined(self) -> PerSample | None:
        if self.factors or not (one_sign(self.right, 2) and one_sign(self.left, 1)):
            return None
        left = self.left.transpose(0, 1).flatten(1)[None]  # [1, O, B P]
        return Outer(left, self.right.flatten(0, 1)[None], self.shape)

    @override
    def chunk(self, samples: slice, rows: slice) -> Tensor:
        gradients = torch.bmm(self.left[samples, rows], self.right[samples])
        return gradients.reshape(*gradients.shape[:2], *self.shape[1:])

    @override
    def add_sum(self, of: Magnitude, total: Tensor, max_bytes: int) -> None:
        budget = piece_bytes(max_bytes, total.device, caches=4)
        worth_a_call = min(budget, CACHE_BYTES // 4) if in_caches(total.device) else budget
        if self.factors:
            add_products(total, *map(of, self.factors))
        elif total.numel() * total.element_size() > worth_a_call:
            matrix = total.view(self.shape[0], self.shape[1:].numel())
            _add_one_by_one(of, matrix, self.left, self.right, budget)
        else:
            super().add_sum(of, total, max_bytes)


class Lookup(PerSample):
    """An embedding's gradient: each looked-up row of the table receives the gradients at its places.

    Places without one are set to zero, not cut out: a GPU would have to wait for their number.
    """

    way = "the rows that each sample looks up"

    def __init__(self, indices: Tensor, delta: Tensor, shape: torch.Size) -> None:
        self.indices, self.delta = indices, delta  # [B, P], [B, P, D]; index -1 gets no gradient
        self.samples, self.shape = indices.shape[0], shape
        self.beside = delta[0].numel() * delta.element_size()

    @override
    def chunk(self, samples: slice, rows: slice) -> Tensor:
        indices, delta = self.indices[samples], self.delta[samples]
        first, last, _ = rows.indices(self.shape[0])
        inside = (indices >= first) & (indices < last)
        owner = torch.arange(len(indices), device=indices.device)[:, None].expand_as(indices)
        table = delta.new_zeros(len(indices), last - first, self.shape[1])
        place = (owner, (indices - first).clamp(0, last - first - 1))
        return table.index_put_(place, _masked(delta, inside), accumulate=True)

    @override
    def add_sum(self, of: Magnitude, total: Tensor, max_bytes: int) -> None:
        owner = torch.arange(self.samples, device=total.device)[:, None]
        keys = (owner * self.shape[0] + self.indices.clamp(min=0)).flatten()
        keys, order = keys.sort(stable=True)  # each sample's places of a row are now neighbours
        place = torch.zeros_like(keys)
        place[1:] = (keys[1:] != keys[:-1]).cumsum(0)
        delta = _masked(self.delta, self.indices >= 0).flatten(0, 1)
        sums = torch.zeros_like(delta).index_add_(0, place, delta[order])
        looked_up = torch.zeros_like(keys).scatter_(0, place, keys % self.shape[0])
        total.index_add_(0, looked_up, of(sums, out=sums))


class Total(PerSample):
    """The sum of several descriptions: a layer that is called twice, a parameter that layers share."""

    way = "a sum over several uses, written out for some samples at a time"

    def __init__(self, parts: Sequence[PerSample]) -> None:
        self.parts = parts
        self.samples, self.shape = parts[0].samples, parts[0].shape
        self.beside = max(part.beside for part in parts)

    @override
    def chunk(self, samples: slice, rows: slice) -> Tensor:
        total = self.parts[0].chunk(samples, rows)
        for part in self.parts[1:]:
            total += part.chunk(samples, rows)
        return total

    @override
    def pieces(self, total: Tensor, max_bytes: int) -> Iterator[tuple[slice, slice]]:
        return super().pieces(total, max_bytes // 2)  # two parts are held at a time


def add_products(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add Σ_k left_k right_kᵀ to ``total`` [O, ...], given [B, O] and [B, I]."""
    total.view(left.shape[1], right.shape[1]).addmm_(left.T, right)


def _add_one_by_one(of: Magnitude, total: Tensor, left: Tensor, right: Tensor, budget: int) -> None:
    """Add Σ_k of(left_k right_k) to ``total`` [O, I]: a block of rows at a time, each sample in turn."""
    rows = max(1, budget // (total.shape[1] * total.element_size()))
    buffer = scratch("product", (min(rows, total.shape[0]), total.shape[1]), total)
    for first in range(0, total.shape[0], rows):
        target = total[first : first + rows]
        product = buffer[: len(target)]
        for k in range(len(left)):
            torch.mm(left[k, first : first + rows], right[k], out=product)
            target += of(product, out=product)


def one_sign(tensor: Tensor, dim: int) -> bool:
    """Return whether at no place along ``dim`` some entries are positive and others negative.

    False for a tensor without entries.
    """
    if not tensor.numel():
        return False
    others = [d for d in range(tensor.dim()) if d != dim]
    least = tensor.amin(others)
    return bool((least >= 0).all()) or bool(((least >= 0) | (tensor.amax(others) <= 0)).all())


def _masked(delta: Tensor, which: Tensor) -> Tensor:
    """Return δ [B, P, D] with zeros at all but the places [B, P] that are kept."""
    return delta.masked_fill(~which[:, :, None], 0)
