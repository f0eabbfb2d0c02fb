"""The kernel for a depthwise convolution's weight: no product, but sums over shifted positions."""

import triton
import triton.language as tl

from avalanche_mas.importance.kernels.convolution import GEOMETRY
from avalanche_mas.importance.kernels.products import magnitude, put


@triton.jit(do_not_specialize=GEOMETRY)
def depthwise(
    out: tl.tensor,  # [O, 1, *kernel], or [S, …] where the samples are split
    delta: tl.tensor,  # [B, m, O, L]
    images: tl.tensor,  # [B, m, C, D, H, W], O a multiple of C
    samples: tl.tensor,
    per_split: tl.tensor,
    rows: tl.tensor,  # O
    multiplier: tl.tensor,  # O / C
    positions: tl.tensor,  # m L
    delta_b: tl.tensor,
    delta_m: tl.tensor,
    delta_o: tl.tensor,
    delta_l: tl.tensor,
    image_b: tl.tensor,
    image_m: tl.tensor,
    image_c: tl.tensor,
    image_z: tl.tensor,
    image_y: tl.tensor,
    image_x: tl.tensor,
    depth: tl.tensor,  # of an image
    height: tl.tensor,
    width: tl.tensor,
    out_depth: tl.tensor,  # of the positions, L = out_depth out_height out_width
    out_height: tl.tensor,
    out_width: tl.tensor,
    kernel_z: tl.tensor,
    kernel_y: tl.tensor,
    kernel_x: tl.tensor,
    stride_z: tl.tensor,
    stride_y: tl.tensor,
    stride_x: tl.tensor,
    pad_z: tl.tensor,
    pad_y: tl.tensor,
    pad_x: tl.tensor,
    gap_z: tl.tensor,  # the dilation
    gap_y: tl.tensor,
    gap_x: tl.tensor,
    DEEP: tl.constexpr,  # m > 1, or three dimensions
    BY_CHANNEL: tl.constexpr,  # channels are neighbours in memory, not positions
    SPLIT: tl.constexpr,
    SQUARE: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_P: tl.constexpr,
) -> None:
    """Sum the magnitudes of a tile [BLOCK_K, BLOCK_O] of places and channels over one split."""
    # Threads that are neighbours take the last axis: positions, or channels.
    if BY_CHANNEL:
        p = tl.arange(0, BLOCK_P)[None, :, None]
        lane = tl.arange(0, BLOCK_O)[None, None, :]
    else:
        p = tl.arange(0, BLOCK_P)[None, None, :]
        lane = tl.arange(0, BLOCK_O)[None, :, None]
    taps = kernel_z * kernel_y * kernel_x
    tap_tiles = tl.cdiv(taps, BLOCK_K)
    tile, split = tl.program_id(0), tl.program_id(1)
    tap = tile % tap_tiles * BLOCK_K + tl.arange(0, BLOCK_K)[:, None, None]
    o = tile // tap_tiles * BLOCK_O + lane
    from_x = tap % kernel_x * gap_x - pad_x
    from_y = tap // kernel_x % kernel_y * gap_y - pad_y
    from_z = tap // (kernel_x * kernel_y) * gap_z - pad_z

    first = split * per_split
    plane = out_height * out_width
    delta += first.to(tl.int64) * delta_b
    images += first.to(tl.int64) * image_b
    at_row = o * delta_o
    at_channel = o // multiplier * image_c
    sums = tl.zeros((BLOCK_K, BLOCK_O), tl.float32)
    for _ in range(tl.minimum(per_split, samples - first)):
        if BY_CHANNEL:
            gradient = tl.zeros((BLOCK_K, BLOCK_P, BLOCK_O), tl.float32)
        else:
            gradient = tl.zeros((BLOCK_K, BLOCK_O, BLOCK_P), tl.float32)
        for start in range(0, positions, BLOCK_P):
            at = start + p
            there = at < positions
            at_x = at % out_width * stride_x + from_x
            at_y = at // out_width % out_height * stride_y + from_y
            seen = there & (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
            at_delta = at * delta_l
            at_image = at_y * image_y + at_x * image_x
            if DEEP:
                z = at // plane
                m = z // out_depth
                at_z = z % out_depth * stride_z + from_z
                seen = seen & (at_z >= 0) & (at_z < depth)
                at_delta = (at - m * (out_depth * plane)) * delta_l + m * delta_m
                at_image += at_z * image_z + m * image_m
            a = tl.load(delta + at_row + at_delta, mask=(o < rows) & there, other=0.0)
            known = (o < rows) & (tap < taps)
            b = tl.load(images + at_channel + at_image, mask=known & seen, other=0.0)
            gradient += a.to(tl.float32) * b.to(tl.float32)
        sums += magnitude(tl.sum(gradient, axis=1 if BY_CHANNEL else 2), SQUARE)
        delta += delta_b
        images += image_b
    tap = tile % tap_tiles * BLOCK_K + tl.arange(0, BLOCK_K)[:, None]
    o = tile // tap_tiles * BLOCK_O + tl.arange(0, BLOCK_O)[None, :]
    put(out, o * taps + tap, (o < rows) & (tap < taps), sums, split, rows * taps, SPLIT)
