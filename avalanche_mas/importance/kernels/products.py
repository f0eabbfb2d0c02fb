"""The kernel for g_k = left_k right_k: linear layers with several positions, convolutions of size one."""

import triton
import triton.language as tl


@triton.jit
def magnitude(gradient: tl.tensor, SQUARE: tl.constexpr) -> tl.tensor:
    """Return |g|, or g²."""
    return gradient * gradient if SQUARE else tl.abs(gradient)


@triton.jit
def multiply(
    left: tl.tensor, right: tl.tensor, acc: tl.tensor, PRECISION: tl.constexpr
) -> tl.tensor:
    """Return acc + left right, where tensors of two types are multiplied in float32."""
    if left.dtype != right.dtype:
        left = left.to(tl.float32)
        right = right.to(tl.float32)
    return tl.dot(left, right, acc, input_precision=PRECISION)


@triton.jit
def put(
    out: tl.tensor,
    place: tl.tensor,
    inside: tl.tensor,
    sums: tl.tensor,
    split: tl.tensor,
    size: tl.tensor,
    SPLIT: tl.constexpr,
) -> None:
    """Write a tile to its split's part of a buffer, or add it to the sum."""
    if SPLIT:
        tl.store(out + split.to(tl.int64) * size + place, sums, mask=inside)
    else:
        tl.store(out + place, tl.load(out + place, mask=inside, other=0.0) + sums, mask=inside)


@triton.jit(do_not_specialize=["samples", "per_split"])
def products(
    out: tl.tensor,  # [O, I], or [S, O, I] where the samples are split
    left: tl.tensor,  # [B, O, P]
    right: tl.tensor,  # [B, P, I]
    samples: tl.tensor,
    per_split: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    positions: tl.tensor,
    left_b: tl.tensor,
    left_o: tl.tensor,
    left_p: tl.tensor,
    right_b: tl.tensor,
    right_p: tl.tensor,
    right_i: tl.tensor,
    UNIT: tl.constexpr,  # divides the positions and the steps across them, if above one
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
        left_b, left_o = left_b // UNIT * UNIT, left_o // UNIT * UNIT
        right_b, right_i = right_b // UNIT * UNIT, right_i // UNIT * UNIT
    tile, split = tl.program_id(0), tl.program_id(1)
    tiles = tl.cdiv(columns, BLOCK_I)
    o = tile // tiles * BLOCK_O + tl.arange(0, BLOCK_O)
    i = tile % tiles * BLOCK_I + tl.arange(0, BLOCK_I)
    first = split * per_split
    count = tl.minimum(per_split, samples - first)
    chunks = tl.cdiv(positions, BLOCK_P)
    left += first.to(tl.int64) * left_b
    right += first.to(tl.int64) * right_b
    gradient = tl.zeros((BLOCK_O, BLOCK_I), tl.float32)
    sums = tl.zeros((BLOCK_O, BLOCK_I), tl.float32)
    chunk = 0
    for _ in range(count * chunks):  # all samples in one loop, so that loads run ahead across them
        p = chunk * BLOCK_P + tl.arange(0, BLOCK_P)
        at_left = left + o[:, None] * left_o + p[None, :] * left_p
        at_right = right + p[:, None] * right_p + i[None, :] * right_i
        there = p < positions
        a = tl.load(at_left, mask=(o < rows)[:, None] & there[None, :], other=0.0)
        b = tl.load(at_right, mask=there[:, None] & (i < columns)[None, :], other=0.0)
        gradient = multiply(a, b, gradient, PRECISION)
        last = chunk == chunks - 1
        if last:
            sums += magnitude(gradient, SQUARE)
            gradient = tl.zeros((BLOCK_O, BLOCK_I), tl.float32)
        chunk = tl.where(last, 0, chunk + 1)
        left += tl.where(last, left_b, 0)
        right += tl.where(last, right_b, 0)
    place = o[:, None] * columns + i[None, :]
    inside = (o < rows)[:, None] & (i < columns)[None, :]
    put(out, place, inside, sums, split, rows * columns, SPLIT)
