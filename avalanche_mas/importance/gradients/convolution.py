"""What a convolution's kernel sees, and its gradient sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from avalanche_mas.importance.gradients.pieces import scratch


@dataclass(frozen=True)
class Convolution:
    """The geometry of a convolution over 1, 2 or 3 spatial dimensions."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def is_pointwise(self) -> bool:
        """Return whether every output sees all channels at the one position in its place."""
        ones = (1,) * len(self.kernel)
        padded = any(self.padding)
        return self.kernel == self.stride == ones and self.groups == 1 and not padded

    def windows(self, images: Tensor) -> Tensor:
        """Cut [B, m, I, *spatial] into what the kernel sees at each position: [B, m L, I k_1 k_2 …].

        The result holds until the next call; see `scratch`.
        """
        widths = [width for pad in reversed(self.padding) for width in (pad, pad)]
        view = torch.nn.functional.pad(images, widths) if any(widths) else images
        axes = zip(self.kernel, self.stride, self.dilation, strict=True)
        for axis, (size, step, gap) in enumerate(axes, start=3):
            view = view.unfold(axis, gap * (size - 1) + 1, step)[..., ::gap]
        n = len(self.kernel)  # [B, m, I, *positions, *kernel]
        positions, kernel = range(3, n + 3), range(n + 3, 2 * n + 3)
        view = view.permute(0, 2, *kernel, 1, *positions)  # whose rows are quick to copy
        cut = scratch("windows", view.shape, view).copy_(view)
        return cut.view(len(view), view.shape[1 : n + 2].numel(), -1).transpose(1, 2)

    def weight_gradients(self, delta: Tensor, images: Tensor, shape: torch.Size) -> Tensor:
        """Return [b, O, I/groups, k...] from delta [b, m, O, *] and images [b, m, I, *].

        The b samples become groups of one convolution, whose batch are the m entries of a sample.
        """
        b, out_channels = len(delta), delta.shape[2]
        _, gradients, _ = torch.ops.aten.convolution_backward(
            delta.transpose(0, 1).flatten(1, 2),  # [m, b O, *]
            images.transpose(0, 1).flatten(1, 2),  # [m, b I, *]
            delta.new_empty(b * out_channels, *shape[1:]),  # of which only the shape counts
            None,
            self.stride,
            self.padding,
            self.dilation,
            False,
            [0] * len(self.kernel),
            b * self.groups,
            [False, True, False],
        )
        per_sample: Tensor = gradients.view(b, out_channels, *shape[1:])
        return per_sample
