"""Per-sample gradients of a convolution's weight: by products with its windows, or by its own backward."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from typing_extensions import override

from avalanche_mas.importance.gradients.convolution import Convolution
from avalanche_mas.importance.gradients.persample import Outer, PerSample, one_sign
from avalanche_mas.importance.gradients.pieces import Magnitude, piece_bytes, wide_type


class Convolved(PerSample):
    """A convolution's weight gradient, from the gradient at its output and its input."""

    def __init__(self, delta: Tensor, images: Tensor, conv: Convolution, shape: torch.Size) -> None:
        self.delta, self.images, self.conv = delta, images, conv  # [B, m, O, *], [B, m, I, *]
        self.samples, self.shape = delta.shape[0], shape

    @override
    def wide(self) -> PerSample:
        delta, images = (tensor.to(wide_type(tensor)) for tensor in (self.delta, self.images))
        return type(self)(delta, images, self.conv, self.shape)

    @override
    def joined(self) -> PerSample | None:
        if not (one_sign(self.images, 2) and one_sign(self.delta, 2)):
            return None
        delta, images = (tensor.flatten(0, 1)[None] for tensor in (self.delta, self.images))
        return Fold(delta, images, self.conv, self.shape)


class Windows(Convolved):
    """A convolution's weight gradient as products with the windows that the kernel slid over.

    The windows take k_1 k_2 … times the memory of the input, so they are cut out a few samples at a
    time. The better way where a layer has many channels and few positions.
    """

    way = "a product with the kernel's windows for each sample"

    def __init__(self, delta: Tensor, images: Tensor, conv: Convolution, shape: torch.Size) -> None:
        super().__init__(delta, images, conv, shape)
        self.left = delta.flatten(3).transpose(1, 2).flatten(2)  # [B, O, m L]
        self.beside = self.left.shape[2] * shape[1:].numel() * delta.element_size()  # the windows

    def _products(self, samples: slice) -> Outer:
        return Outer(self.left[samples], self.conv.windows(self.images[samples]), self.shape)

    @override
    def chunk(self, samples: slice, rows: slice) -> Tensor:
        return self._products(samples).chunk(slice(None), rows)

    @override
    def add_sum(self, of: Magnitude, total: Tensor, max_bytes: int) -> None:
        for samples in self._groups(max_bytes // 2):
            self._products(samples).add_sum(of, total, max_bytes // 2)

    @override
    def add_squares(self, sums: Tensor, max_bytes: int) -> None:
        for samples in self._groups(max_bytes // 2):
            self._products(samples).add_squares(sums[samples], max_bytes // 2)

    def _groups(self, max_bytes: int) -> Iterator[slice]:
        """Cut the samples into groups whose windows are not too large."""
        step = max(1, piece_bytes(max_bytes, self.left.device, caches=4) // self.beside)
        for k in range(0, self.samples, step):
            yield slice(k, min(k + step, self.samples))


class Fold(Convolved):
    """A convolution's weight gradient from the library's own kernel, samples folded into its groups.

    The better way where a layer has many positions, or groups.
    """

    way = "a convolution's own gradient for each sample"

    def __init__(self, delta: Tensor, images: Tensor, conv: Convolution, shape: torch.Size) -> None:
        super().__init__(delta, images, conv, shape)
        self.beside = (delta[0].numel() + images[0].numel()) * delta.element_size()

    @override
    def chunk(self, samples: slice, rows: slice) -> Tensor:
        delta, images = self.delta[samples], self.images[samples]
        if self.conv.groups == 1:
            return self.conv.weight_gradients(delta[:, :, rows], images, self.shape)
        return self.conv.weight_gradients(delta, images, self.shape)[:, rows]

    @override
    def pieces(self, total: Tensor, max_bytes: int) -> Iterator[tuple[slice, slice]]:
        each = total.numel() * total.element_size()
        if self.conv.groups == 1 and each > max_bytes:
            yield from super().pieces(total, max_bytes)
            return
        budget = piece_bytes(max_bytes, total.device, caches=2)
        step = max(1, min(self.samples, budget // (self.beside + each)))
        for k in range(0, self.samples, step):
            yield slice(k, min(k + step, self.samples)), slice(None)
