"""The penalty's gradient for many parameters at once, as suits a GPU: few kernels. Pure torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

GROUP = 1 << 24
"""Elements handled at a time: no more than 64 MiB of differences."""


def add_gradients(parameters: Iterable[tuple[Tensor, ...]], factor: float) -> None:
    """p.grad += factor · Ω (θ − θ*), given p.grad, θ, θ* and Ω of each parameter."""
    for group in _groups(part for tensors in parameters for part in cut(tensors)):
        gradients, thetas, anchors, importances = (list(same) for same in zip(*group, strict=True))
        differences = torch._foreach_sub(thetas, anchors)
        torch._foreach_addcmul_(gradients, importances, differences, value=factor)
        del differences  # before the next group's are made


def cut(tensors: tuple[Tensor, ...], size: int | None = None) -> Iterator[tuple[Tensor, ...]]:
    """Views of tensors of one shape, about `size` elements each (`GROUP`): flat, or some rows."""
    first, size = tensors[0], size or GROUP
    if first.numel() <= size:
        return iter([tensors])
    if all(tensor.is_contiguous() for tensor in tensors):
        return zip(*(torch.split(tensor.view(-1), size) for tensor in tensors), strict=True)
    rows = max(1, size * len(first) // first.numel())
    return zip(*(torch.split(tensor, rows) for tensor in tensors), strict=True)


def _groups(parts: Iterable[tuple[Tensor, ...]]) -> Iterator[list[tuple[Tensor, ...]]]:
    """Put neighbours of the same devices and dtypes together, `GROUP` elements at most."""
    group: list[tuple[Tensor, ...]] = []
    size, kind = 0, None
    for part in parts:
        own = [(tensor.device, tensor.dtype) for tensor in part]
        if group and (own != kind or size + part[0].numel() > GROUP):
            yield group
            group, size = [], 0
        group.append(part)
        size, kind = size + part[0].numel(), own
    if group:
        yield group
