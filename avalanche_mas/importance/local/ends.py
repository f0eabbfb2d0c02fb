"""The ends of stretches: those that nothing has used yet, and the constants that stand for the others."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

__all__ = ["Ends", "Pending"]


@dataclass
class Pending:
    """The result of a nonlinearity that nothing has used yet.

    Attributes:
        nonlinearity: its name.
        number: of the end, if it becomes one.
        behind: the ends that it was computed from, a bit for each.
    """

    nonlinearity: str
    number: int
    behind: int


class Ends:
    """The results of nonlinearities, open until something uses them, and then constants."""

    def __init__(self) -> None:
        self._open = WeakIdKeyDictionary()  # to what is known of each
        self._images = WeakIdKeyDictionary()  # an open one scaled, shifted or shaped: that one
        self._constants = WeakIdKeyDictionary()  # what stands for a closed one

    def begin(self, output: Tensor, pending: Pending) -> None:
        """Note the result of a nonlinearity."""
        self._open[output] = pending

    def pending(self, tensor: Tensor) -> Pending | None:
        """Return what is known of the open end that a tensor is, or is an image of."""
        found: Pending | None = self._open.get(self.root(tensor))
        return found

    def is_open(self, tensor: Tensor) -> bool:
        """Return whether a tensor is an open end, or an image of one."""
        return self.root(tensor) in self._open

    def add_image(self, image: Tensor, of: Tensor) -> None:
        """Note that a tensor is an open end that was scaled, shifted or given another shape."""
        self._images[image] = self.root(of)

    def root(self, tensor: Tensor) -> Tensor:
        """Return the end that a tensor is an image of, or the tensor itself."""
        root: Tensor = self._images.get(tensor, tensor)
        return root

    def close(self, output: Tensor) -> Pending | None:
        """Close an end and return what was known of it; None if it is not open."""
        closed: Pending | None = self._open.pop(output, None)
        return closed

    def is_closed(self, tensor: Tensor) -> bool:
        """Return whether a constant stands for a tensor."""
        return tensor in self._constants

    def stand_for(self, tensor: Tensor) -> Tensor:
        """Make a constant that stands for a tensor from now on."""
        self._constants[tensor] = tensor.detach()
        return self.going_on(tensor)

    def going_on(self, tensor: Tensor) -> Tensor:
        """Return the constant that stands for a tensor, or the tensor itself."""
        constant: Tensor = self._constants.get(tensor, tensor)
        return constant
