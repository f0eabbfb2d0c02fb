"""The penalty's gradient, in place: cache-sized pieces on a CPU, few kernels on a GPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from avalanche_mas.devices import in_caches
from avalanche_mas.penalty import fused
from avalanche_mas.penalty.rates import Held

PIECE = 1 << 18
"""Elements that each thread handles at a time on a CPU: few enough for the differences to stay in the
caches, and enough for the start of a kernel to cost little."""

GROUP = 1 << 24
"""Elements handled at a time elsewhere: no more than 64 MiB of differences."""


def add_gradients(parameters: Iterable[Held], factor: float) -> None:
    """Add the penalty's gradient to that of each parameter.

    With h = factor · Ω: p.grad ← p.grad + h (θ − θ*), divided by 1 + η h where η is given.
    """
    others = []
    for held in parameters:
        if in_caches(held.tensors[0].device):
            _add_in_turn(_parts(held), factor)
        else:
            others.append(held)
    left = fused.add_gradients(others, factor)
    for group in _groups(part for held in left for part in _parts(held)):
        _add_together(group, factor)


def _parts(held: Held) -> Iterator[Held]:
    return (Held(part, held.rate) for part in pieces(held.tensors))


def pieces(tensors: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    """Yield views of tensors of one shape: flat or some rows, as many elements as suit the device."""
    first = tensors[0]
    size = PIECE * torch.get_num_threads() if in_caches(first.device) else GROUP
    if first.numel() <= size:
        return iter([tensors])
    if all(tensor.is_contiguous() for tensor in tensors):
        return zip(*(torch.split(tensor.view(-1), size) for tensor in tensors), strict=True)
    rows = max(1, size * len(first) // first.numel())
    return zip(*(torch.split(tensor, rows) for tensor in tensors), strict=True)


def _add_in_turn(parts: Iterable[Held], factor: float) -> None:
    """Add the gradient to one piece after the other."""
    buffer: Tensor | None = None  # of the first piece; the others use its memory again
    for tensors, rate in parts:
        gradient, theta, anchor, omega = _wide(tensors)
        if buffer is None:
            buffer = theta - anchor
        else:
            if buffer.shape != theta.shape:  # the last piece
                buffer = buffer[: len(theta)]
            torch.sub(theta, anchor, out=buffer)
        gradient.addcmul_(omega, buffer, value=factor)
        if rate is not None:
            one = omega.new_ones(())  # 1 + ηh by one kernel
            gradient.div_(torch.add(one, omega, alpha=float(factor * rate), out=buffer))
        if gradient is not tensors[0]:
            tensors[0].copy_(gradient)


def _add_together(group: list[Held], factor: float) -> None:
    """Add the gradient to pieces of the same devices, dtypes and rate, each kernel to all of them."""
    rate = group[0].rate
    wide = [_wide(held.tensors) for held in group]
    gradients, thetas, anchors, importances = (list(same) for same in zip(*wide, strict=True))
    buffers = torch._foreach_sub(thetas, anchors)
    torch._foreach_addcmul_(gradients, importances, buffers, value=factor)
    if rate is not None:
        del buffers  # before others of their size are made
        buffers = torch._foreach_mul(importances, factor * rate)
        torch._foreach_add_(buffers, 1.0)
        torch._foreach_div_(gradients, buffers)
    for held, gradient in zip(group, gradients, strict=True):
        if gradient is not held.tensors[0]:
            held.tensors[0].copy_(gradient)


def _wide(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the tensors in one dtype, float32 at least: float16 ends at 65504, and h goes beyond."""
    dtype = torch.promote_types(tensors[0].dtype, torch.float32)
    return tuple(tensor.to(dtype) for tensor in tensors)


def _groups(parts: Iterable[Held]) -> Iterator[list[Held]]:
    """Put neighbours of the same devices, dtypes and rate together, `GROUP` elements at most."""
    group: list[Held] = []
    size, kind = 0, None
    for part in parts:
        elements = part.tensors[0].numel()
        own = (id(part.rate), [(tensor.device, tensor.dtype) for tensor in part.tensors])
        if group and (own != kind or size + elements > GROUP):
            yield group
            group, size = [], 0
        group.append(part)
        size, kind = size + elements, own
    if group:
        yield group
