"""Walking through the graph that autograd has recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor


def nodes(output: Tensor) -> Iterator[Any]:
    """Return the nodes of the graph that ``output`` was computed with."""
    seen: set[Any] = set()
    queue: list[Any] = [output.grad_fn]
    while queue:
        node = queue.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        queue.extend(following for following, _ in node.next_functions)


def leaves(output: Tensor) -> set[Tensor]:
    """Return the tensors that require a gradient and from which ``output`` was computed."""
    return {node.variable for node in nodes(output) if hasattr(node, "variable")}


def is_written_part(tensor: Tensor) -> bool:
    """Return whether it is a part of a larger tensor, which was changed in place through it."""
    whole = tensor._base
    if whole is None or whole.grad_fn is None or whole.numel() == tensor.numel():
        return False
    return whole.grad_fn.name().endswith("CopySlices")
