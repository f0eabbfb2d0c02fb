"""What a tensor was computed from: which ends of stretches, and whether from weights alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from torch import Tensor
from torch.nn import Parameter
from torch.utils import _pytree as pytree
from torch.utils.weak import WeakIdKeyDictionary


class Descent:
    """A record of what the tensors of a forward pass were computed from, kept as long as they live.

    Sets of ends are integer bitmasks.

    Args:
        buffers: tensors that count as weights, as parameters do.

    Attributes:
        ends: how many ends there are so far.
    """

    def __init__(self, buffers: Collection[Tensor]) -> None:
        self.ends, self._buffers = 0, buffers
        self._behind = WeakIdKeyDictionary()
        self._weights = WeakIdKeyDictionary()

    def begin_end(self, output: Tensor, behind: int) -> int:
        """Note that a tensor is the next end, computed from the ends ``behind``; return its number."""
        number = self.ends
        self._behind[output] = behind | 1 << number
        self.ends += 1
        return number

    def note(self, results: Iterable[Tensor], behind: int, weights: bool) -> None:
        """Note what an operation's results were computed from."""
        for tensor in results:
            self._behind[tensor] = behind
            if weights:
                self._weights[tensor] = True
            else:
                self._weights.pop(tensor, None)

    def inherit(self, tensor: Tensor, other: Tensor) -> None:
        """Note that a tensor stands for another one."""
        self._behind[tensor] = self._behind[other]

    def knows(self, tensor: Tensor) -> bool:
        """Return whether a tensor was noted."""
        return tensor in self._behind

    def behind(self, arguments: Any) -> int:
        """Return the ends that any tensor among the arguments was computed from."""
        ends = 0
        for tensor in tensors_in(arguments):
            if tensor in self._behind:
                ends |= self._behind[tensor]
            elif tensor.grad_fn is not None:  # of an operation not seen: from everything before
                ends |= (1 << self.ends) - 1
        return ends

    def from_weights(self, arguments: Any) -> bool:
        """Return whether there are tensors, and all were computed from parameters and buffers alone."""
        tensors = tensors_in(arguments)
        return bool(tensors) and all(
            isinstance(t, Parameter) or t in self._weights or t in self._buffers for t in tensors
        )


def tensors_in(arguments: Any) -> list[Tensor]:
    """Return the tensors among an operation's arguments or results."""
    return [leaf for leaf in pytree.tree_leaves(arguments) if isinstance(leaf, Tensor)]
