"""Launching the kernels: tensors and geometry in, Σ_k |g_k| or Σ_k g_k² added to a sum. Pure torch."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

from avalanche_mas.importance.kernels.plans import (
    Precision,
    Size,
    Tile,
    depthwise_tile,
    product_tile,
    splits,
)

MAX_BYTES = 2**28
"""What the sums of the splits may take, unless said otherwise."""

OLDEST_TRITON = (3, 3)
"""That of PyTorch 2.7."""

TYPES = frozenset({torch.float32, torch.bfloat16, torch.float16})
"""What the kernels multiply; the sum is in float32."""


class Geometry(Protocol):
    """The geometry of a convolution over one to three spatial dimensions."""

    @property
    def kernel(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def stride(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def padding(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dilation(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def groups(self) -> int: ...  # noqa: D102


def has_kernels(device: torch.device) -> bool:
    """Return whether there are kernels for a device: a GPU of NVIDIA's, and Triton."""
    return device.type == "cuda" and torch.version.cuda is not None and _has_triton()


def available(total: Tensor, *factors: Tensor) -> bool:
    """Return whether there is a kernel for these tensors: on CUDA, with Triton, float32 or narrower."""
    return (
        has_kernels(total.device)
        and total.dtype == torch.float32
        and total.is_contiguous()
        and 0 < total.numel() < 2**31
        and all(f.dtype in TYPES and f.numel() > 0 for f in factors)
        and all(_span(f[0]) < 2**31 for f in factors)
    )


def add_product_magnitudes(
    total: Tensor,
    left: Tensor,
    right: Tensor,
    *,
    square: bool,
    precision: Precision,
    max_bytes: int = MAX_BYTES,
    tile: Tile | None = None,
) -> None:
    """Add Σ_k |left_k right_k|, or of the squares, to ``total``.

    Args:
        total: [O, …], contiguous, in float32.
        left: [B, O, P], of any strides.
        right: [B, P, I], of any strides, I = the product of the dimensions after O.
        square: whether the squares are summed.
        precision: how float32 is multiplied.
        max_bytes: for the sums of the splits of the samples.
        tile: in place of that for the shape.
    """
    from avalanche_mas.importance.kernels.products import products

    size = Size(len(left), left.shape[2], left.shape[1], right.shape[2])
    tile = tile or product_tile(size, precision, _itemsize(left, right))
    tiles = math.ceil(size.rows / tile.rows) * math.ceil(size.columns / tile.columns)
    _launch(
        products,
        total,
        tiles,
        size,
        tile,
        max_bytes,
        left=left,
        right=right,
        rows=size.rows,
        columns=size.columns,
        positions=size.positions,
        **dict(zip(("left_b", "left_o", "left_p"), left.stride(), strict=True)),
        **dict(zip(("right_b", "right_p", "right_i"), right.stride(), strict=True)),
        UNIT=min(_unit(left, 2), _unit(right, 1)),
        SQUARE=square,
        PRECISION=precision,
        BLOCK_O=tile.rows,
        BLOCK_I=tile.columns,
        BLOCK_P=tile.positions,
    )


def add_convolution_magnitudes(
    total: Tensor,
    delta: Tensor,
    images: Tensor,
    conv: Geometry,
    *,
    square: bool,
    precision: Precision,
    max_bytes: int = MAX_BYTES,
    tile: Tile | None = None,
) -> None:
    """Add Σ_k |g_k|, or of the squares, of a convolution's weight to ``total``.

    Args:
        total: [O, I / groups, *kernel], contiguous, in float32.
        delta: [B, m, O, *positions], the gradient at the output, of any strides.
        images: [B, m, I, *spatial], of any strides.
        conv: the geometry.
        square: whether the squares are summed.
        precision: how float32 is multiplied.
        max_bytes: for the sums of the splits of the samples.
        tile: in place of that for the shape.
    """
    if conv.groups == images.shape[2] > 1:
        _add_depthwise(total, delta, images, conv, square, max_bytes, tile)
    else:
        _add_convolution(total, delta, images, conv, square, precision, max_bytes, tile)


def _add_convolution(
    total: Tensor,
    delta: Tensor,
    images: Tensor,
    conv: Geometry,
    square: bool,
    precision: Precision,
    max_bytes: int,
    tile: Tile | None,
) -> None:
    from avalanche_mas.importance.kernels.convolution import convolution

    channels, taps = total.shape[1], math.prod(conv.kernel)
    size = convolution_size(total, delta, conv)
    one_tap = has_one_tap(channels, taps)
    across = size._replace(columns=channels if one_tap else size.columns)
    tile = tile or product_tile(across, precision, _itemsize(delta, images))
    if one_tap and images.element_size() < 4:
        images = images.movedim(2, -1).contiguous().movedim(-1, 2)  # two bytes are no whole load
    columns = math.ceil(across.columns / tile.columns) * (taps if one_tap else 1)
    tiles = size.groups * math.ceil(size.rows / tile.rows) * columns
    _launch(
        convolution,
        total,
        tiles,
        size,
        tile,
        max_bytes,
        **_described(delta, images, conv),
        rows=size.rows,
        channels=channels,
        UNIT=_unit(delta.flatten(3), 3) if delta.shape[1] == 1 else 1,
        ONE_TAP=one_tap,
        SQUARE=square,
        PRECISION=precision,
        BLOCK_O=tile.rows,
        BLOCK_I=tile.columns,
        BLOCK_P=tile.positions,
    )


def _add_depthwise(
    total: Tensor,
    delta: Tensor,
    images: Tensor,
    conv: Geometry,
    square: bool,
    max_bytes: int,
    tile: Tile | None,
) -> None:
    from avalanche_mas.importance.kernels.depthwise import depthwise

    rows, taps = len(total), math.prod(conv.kernel)
    size = convolution_size(total, delta, conv)._replace(rows=rows, groups=1)
    by_channel = images.stride(2) == 1 and images.stride(-1) != 1
    block, fitting = depthwise_tile(size, by_channel=by_channel)
    tile = tile or fitting
    tiles = math.ceil(rows / tile.rows) * math.ceil(taps / block)
    _launch(
        depthwise,
        total,
        tiles,
        size,
        tile,
        max_bytes,
        **_described(delta, images, conv),
        rows=rows,
        multiplier=rows // images.shape[2],
        BY_CHANNEL=by_channel,
        SQUARE=square,
        BLOCK_K=block,
        BLOCK_O=tile.rows,
        BLOCK_P=tile.positions,
    )


def convolution_size(total: Tensor, delta: Tensor, conv: Geometry) -> Size:
    """Return the sizes of a convolution's product, in one of its groups."""
    positions = delta.shape[1] * delta.shape[3:].numel()
    return Size(
        len(delta), positions, len(total) // conv.groups, total[0].numel(), groups=conv.groups
    )


def has_one_tap(channels: int, taps: int) -> bool:
    """Return whether a tile is filled well by channels at one place of the kernel."""
    return taps == 1 or (channels >= 32 and channels % 32 == 0) or channels > 128


def _launch(
    kernel: Any,
    total: Tensor,
    tiles: int,
    size: Size,
    tile: Tile,
    max_bytes: int,
    **arguments: Any,
) -> None:
    """Launch a kernel for each tile and split, and add the sums of the splits to ``total``."""
    parts, per_split = splits(tiles, size, processors(total.device), max_bytes)
    out = total if parts == 1 else total.new_empty(parts, *total.shape)
    with _on(total.device):
        kernel[(tiles, parts)](
            out,
            samples=size.samples,
            per_split=per_split,
            SPLIT=parts > 1,
            num_warps=tile.warps,
            num_stages=tile.stages,
            enable_fp_fusion=True,
            **arguments,
        )
    if parts > 1:
        total += out.sum(0)


def _described(delta: Tensor, images: Tensor, conv: Geometry) -> dict[str, Any]:
    """Return the arguments that describe a convolution over three dimensions, whatever it has."""
    n = len(conv.kernel)
    ones, zeros = (1,) * (3 - n), (0,) * (3 - n)
    positions, sizes = ones + delta.shape[3:], ones + images.shape[3:]
    flat = delta.flatten(3)
    by_axis = {
        "kernel": ones + conv.kernel,
        "stride": ones + conv.stride,
        "pad": zeros + conv.padding,
        "gap": ones + conv.dilation,
        "image": zeros + images.stride()[3:],
    }
    return {
        "delta": flat,
        "images": images,
        "positions": delta.shape[1] * flat.shape[3],
        **{
            f"{name}_{axis}": v
            for name, vs in by_axis.items()
            for axis, v in zip("zyx", vs, strict=True)
        },
        **dict(zip(("delta_b", "delta_m", "delta_o", "delta_l"), flat.stride(), strict=True)),
        **dict(zip(("image_b", "image_m", "image_c"), images.stride(), strict=False)),
        **dict(zip(("depth", "height", "width"), sizes, strict=True)),
        **dict(zip(("out_depth", "out_height", "out_width"), positions, strict=True)),
        "DEEP": delta.shape[1] > 1 or n == 3,
    }


def _unit(tensor: Tensor, dim: int) -> int:
    """Return how many entries along ``dim`` make a load of 16 bytes at any place, or 1."""
    unit = 16 // tensor.element_size()
    aligned = tensor.data_ptr() % 16 == 0
    steps = [step for d, step in enumerate(tensor.stride()) if d != dim and tensor.shape[d] > 1]
    even = all(n % unit == 0 for n in (tensor.shape[dim], *steps))
    return unit if tensor.stride(dim) == 1 and aligned and even else 1


def _itemsize(left: Tensor, right: Tensor) -> int:
    """Return the bytes of an entry as it is multiplied: of two types, in float32."""
    return left.element_size() if left.dtype == right.dtype else 4


def _span(tensor: Tensor) -> int:
    """Return how far apart a tensor's entries lie in memory."""
    return sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))


def _on(device: torch.device) -> Any:
    return torch.cuda.device(device) if device.type == "cuda" else torch.device(device)


@cache
def _has_triton() -> bool:
    """Return whether there is a Triton for the kernels; older ones schedule their loops wrongly."""
    try:
        import triton
    except ImportError:
        return False
    return tuple(map(int, triton.__version__.split(".")[:2])) >= OLDEST_TRITON


@cache
def processors(device: torch.device) -> int:
    """Return how many processors a device's kernels are spread over."""
    if device.type != "cuda":
        return 1
    return int(torch.cuda.get_device_properties(device).multi_processor_count)
