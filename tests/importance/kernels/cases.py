"""Random convolutions and products for the kernels, and what they should sum to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor

from avalanche_mas.importance.gradients.convolution import Convolution

CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
LAYOUTS = st.sampled_from(("plain", "channels last", "every second", "reversed dimensions"))
TYPES = st.sampled_from((torch.float32, torch.float32, torch.bfloat16, torch.float16))


@dataclass(frozen=True)
class Case:
    delta: Tensor  # [B, m, O, *positions]
    images: Tensor  # [B, m, I, *spatial]
    conv: Convolution
    shape: torch.Size  # of the weight

    def of_sample(self, weight: Tensor, delta: Tensor, images: Tensor) -> Tensor:
        """Return Σ δ y of one sample, whose gradient is the sample's."""
        conv = self.conv
        outputs = CONVOLVE[len(conv.kernel)](
            images, weight, None, conv.stride, conv.padding, conv.dilation, conv.groups
        )
        return (outputs * delta).sum()

    def one_by_one(self) -> Tensor:
        """Return [B, *shape] in float64: each sample's gradient by autograd."""
        gradients = []
        for delta, images in zip(self.delta.double(), self.images.double(), strict=True):
            weight = torch.zeros(self.shape, dtype=torch.float64, requires_grad=True)
            gradients += torch.autograd.grad(self.of_sample(weight, delta, images), weight)
        return torch.stack(gradients)

    def by_windows(self) -> Tensor:
        """Return [B, *shape] in float64: the product with the windows of each group."""
        windows, groups = self.images.double(), self.conv.groups
        n = len(self.conv.kernel)
        windows = F.pad(windows, [w for p in reversed(self.conv.padding) for w in (p, p)])
        axes = zip(self.conv.kernel, self.conv.stride, self.conv.dilation, strict=True)
        for axis, (size, step, gap) in enumerate(axes, start=3):
            windows = windows.unfold(axis, gap * (size - 1) + 1, step)[..., ::gap]
        windows = windows.unflatten(2, (groups, -1)).flatten(4, 3 + n).flatten(5)  # b m g i p k
        delta = self.delta.double().unflatten(2, (groups, -1)).flatten(4)  # b m g o p
        return torch.einsum("bmgop,bmgipk->bgoik", delta, windows).reshape(-1, *self.shape)


@st.composite
def convolutions(draw: st.DrawFn, *, depthwise: bool = False) -> Case:
    n = draw(st.sampled_from((1, 2, 2, 2, 3)))
    largest = {1: 20, 2: 7, 3: 4}[n]
    axes = [draw(_axes(largest)) for _ in range(n)]
    sizes, kernel, stride, padding, dilation = zip(*axes, strict=True)
    if depthwise:
        groups, channels, rows = draw(st.integers(2, 9)), 1, draw(st.integers(1, 2))
    else:
        groups = draw(st.sampled_from((1, 1, 2, 3)))
        channels = draw(st.sampled_from((1, 2, 3, 5, 32) if groups == 1 else (2, 3)))
        rows = draw(st.integers(1, 20 // groups))
    conv = Convolution(kernel, stride, padding, dilation, groups)
    samples, entries = draw(st.integers(1, 3)), draw(st.sampled_from((1, 1, 2)))
    positions = [
        (size + 2 * pad - gap * (k - 1) - 1) // step + 1
        for size, k, step, pad, gap in zip(sizes, kernel, stride, padding, dilation, strict=True)
    ]
    dtype, seed = draw(TYPES), draw(st.integers(0, 2**20))
    return Case(
        stored((samples, entries, groups * rows, *positions), dtype, seed, draw(LAYOUTS)),
        stored((samples, entries, groups * channels, *sizes), dtype, seed + 1, draw(LAYOUTS)),
        conv,
        torch.Size((groups * rows, channels, *kernel)),
    )


@st.composite
def _axes(draw: st.DrawFn, largest: int) -> tuple[int, int, int, int, int]:
    """Draw a size, and a kernel, stride, padding and dilation that fit it."""
    size, kernel = draw(st.integers(1, largest)), draw(st.integers(1, 3))
    dilation, padding = draw(st.integers(1, 2)), draw(st.integers(0, 2))
    least = (dilation * (kernel - 1) + 1 - size + 1) // 2
    return size, kernel, draw(st.integers(1, 3)), max(padding, least), dilation


def stored(shape: tuple[int, ...], dtype: torch.dtype, seed: int, layout: str) -> Tensor:
    """Return normal values of a shape, laid out in memory in one of several ways."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator).to(dtype)
    if layout == "channels last":
        return values.movedim(2, -1).contiguous().movedim(-1, 2)
    if layout == "every second":
        room = torch.full((*shape[:-1], 2 * shape[-1]), torch.nan, dtype=dtype)
        return room[..., ::2].copy_(values)
    if layout == "reversed dimensions":
        return (
            values.permute(*reversed(range(len(shape))))
            .contiguous()
            .permute(*reversed(range(len(shape))))
        )
    return values
