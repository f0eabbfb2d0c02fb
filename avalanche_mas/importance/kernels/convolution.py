"""The kernel for a convolution's weight: a product with the windows, which are never cut out."""

import triton
import triton.language as tl

from avalanche_mas.importance.kernels.products import magnitude, multiply, put

GEOMETRY = [
    "samples",
    "per_split",
    *("depth", "height", "width", "out_depth", "out_height", "out_width"),
    *(f"{name}_{axis}" for name in ("kernel", "stride", "pad", "gap") for axis in "zyx"),
]
"""What a kernel is not compiled anew for."""


@triton.jit(do_not_specialize=GEOMETRY)
def convolution(
    out: tl.tensor,  # [groups O, I, *kernel], or [S, …] where the samples are split
    delta: tl.tensor,  # [B, m, groups O, L]
    images: tl.tensor,  # [B, m, groups I, D, H, W]
    samples: tl.tensor,
    per_split: tl.tensor,
    rows: tl.tensor,  # O, of a group
    channels: tl.tensor,  # I, of a group
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
    UNIT: tl.constexpr,  # divides the positions and the steps across them in delta, if above one
    DEEP: tl.constexpr,  # m > 1, or three dimensions
    ONE_TAP: tl.constexpr,  # a tile's columns are channels at one place of the kernel
    SPLIT: tl.constexpr,
    SQUARE: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_I: tl.constexpr,
    BLOCK_P: tl.constexpr,
) -> None:
    """Sum the magnitudes of one tile [BLOCK_O, BLOCK_I] over the samples of one split."""
    if UNIT > 1:  # as the compiler is to see, so that it loads several entries at once
        positions = positions // UNIT * UNIT
        delta_b, delta_o = delta_b // UNIT * UNIT, delta_o // UNIT * UNIT
    tile, split = tl.program_id(0), tl.program_id(1)
    taps = kernel_z * kernel_y * kernel_x
    if ONE_TAP:
        column_tiles = tl.cdiv(channels, BLOCK_I)
        tap = tile % taps
        tile = tile // taps
        c = tile % column_tiles * BLOCK_I + tl.arange(0, BLOCK_I)
        known = c < channels
        columns = c * taps + tap
    else:
        column_tiles = tl.cdiv(channels * taps, BLOCK_I)
        columns = tile % column_tiles * BLOCK_I + tl.arange(0, BLOCK_I)
        tap = (columns % taps)[:, None]
        c = columns // taps
        known = columns < channels * taps
    tile = tile // column_tiles
    row_tiles = tl.cdiv(rows, BLOCK_O)
    group = tile // row_tiles
    o = tile % row_tiles * BLOCK_O + tl.arange(0, BLOCK_O)

    # Where this place of the kernel lies in an image, for the first position.
    from_x = tap % kernel_x * gap_x - pad_x
    from_y = tap // kernel_x % kernel_y * gap_y - pad_y
    from_z = tap // (kernel_x * kernel_y) * gap_z - pad_z

    first = split * per_split
    count = tl.minimum(per_split, samples - first)
    plane = out_height * out_width
    chunks = tl.cdiv(positions, BLOCK_P)
    delta += first.to(tl.int64) * delta_b + group.to(tl.int64) * rows * delta_o
    images += first.to(tl.int64) * image_b + group.to(tl.int64) * channels * image_c
    at_row = o[:, None] * delta_o
    at_channel = c[:, None] * image_c
    gradient = tl.zeros((BLOCK_O, BLOCK_I), tl.float32)
    sums = tl.zeros((BLOCK_O, BLOCK_I), tl.float32)

    start = tl.arange(0, BLOCK_P)
    start_x, start_y, start_z = start % out_width, start // out_width % out_height, start // plane
    step_x, step_y, step_z = (
        BLOCK_P % out_width,
        BLOCK_P // out_width % out_height,
        BLOCK_P // plane,
    )
    x, y, z = start_x, start_y, start_z
    chunk = 0
    for _ in range(count * chunks):  # all samples in one loop, so that loads run ahead across them
        p = chunk * BLOCK_P + start
        there = p < positions
        at_x = (x * stride_x)[None, :] + from_x
        at_y = (y * stride_y)[None, :] + from_y
        seen = there[None, :] & (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
        at_delta = p * delta_l
        at_image = at_y * image_y + at_x * image_x
        if DEEP:
            m = z // out_depth
            at_z = ((z % out_depth) * stride_z)[None, :] + from_z
            seen = seen & (at_z >= 0) & (at_z < depth)
            at_delta = (p - m * (out_depth * plane)) * delta_l + m * delta_m
            at_image += at_z * image_z + (m * image_m)[None, :]
        a = tl.load(
            delta + at_row + at_delta[None, :],
            mask=(o < rows)[:, None] & there[None, :],
            other=0.0,
        )
        b = tl.load(images + at_channel + at_image, mask=known[:, None] & seen, other=0.0)
        gradient = multiply(a, tl.trans(b), gradient, PRECISION)
        last = chunk == chunks - 1
        if last:
            sums += magnitude(gradient, SQUARE)
            gradient = tl.zeros((BLOCK_O, BLOCK_I), tl.float32)
        chunk = tl.where(last, 0, chunk + 1)
        delta += tl.where(last, delta_b, 0)
        images += tl.where(last, image_b, 0)
        # The next positions: a sum with carries, cheaper than division.
        x += step_x
        carry = (x >= out_width).to(tl.int32)
        x = tl.where(last, start_x, x - carry * out_width)
        y += step_y + carry
        carry = (y >= out_height).to(tl.int32)
        y = tl.where(last, start_y, y - carry * out_height)
        if DEEP:
            z = tl.where(last, start_z, z + step_z + carry)
    size = channels * taps
    place = (group * rows + o)[:, None] * size + columns[None, :]
    inside = (o < rows)[:, None] & known[None, :]
    groups = tl.num_programs(0) // (row_tiles * column_tiles)
    if ONE_TAP:
        groups = groups // taps
    put(out, place, inside, sums, split, groups * rows * size, SPLIT)
