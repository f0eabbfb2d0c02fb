"""What a convolution's kernel sees, and its gradient sample by sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Convolution:
    """The geometry of a convolution over 1, 2 or 3 spatial dimensions."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    def windows(self, images: Tensor) -> Tensor:
        """Cut [B, m, I, *spatial] into what the kernel sees at each position: [B, m L, k_1 k_2 … I]."""
        widths = [width for pad in reversed(self.padding) for width in (pad, pad)]
        if any(widths):
            images = torch.nn.functional.pad(images, widths)
        n = len(self.kernel)
        view = images.movedim(2, -1)
        if self.kernel != (1,) * n:
            view = view.contiguous()  # copies of whole pixels are quick
        axes = zip(self.kernel, self.stride, self.dilation, strict=True)
        for axis, (size, step, gap) in enumerate(axes, start=2):
            view = view.unfold(axis, gap * (size - 1) + 1, step)[..., ::gap]
        last = view.dim()  # [B, m, *positions, I, *kernel]
        view = view.permute(*range(n + 2), *range(last - n, last), n + 2)
        return view.reshape(len(view), view.shape[1 : -n - 1].numel(), -1)

    def weight_gradients(self, delta: Tensor, images: Tensor, shape: torch.Size) -> Tensor:
        """Return [b, O, I/groups, k...] from delta [b, m, O, *] and images [b, m, I, *]."""
        b, m, out_channels = delta.shape[:3]
        n, items = len(self.kernel), b * m
        weight = delta.new_empty(1).expand(items * out_channels, *shape[1:])
        _, gradient, _ = torch.ops.aten.convolution_backward(
            delta.reshape(1, items * out_channels, *delta.shape[3:]),
            images.reshape(1, items * images.shape[2], *images.shape[3:]),
            weight,
            None,
            self.stride,
            self.padding,
            self.dilation,
            False,
            [0] * n,
            items * self.groups,
            [False, True, False],
        )
        gradients: Tensor = gradient.view(b, m, out_channels, *shape[1:])
        return gradients.sum(1) if m > 1 else gradients[:, 0]
