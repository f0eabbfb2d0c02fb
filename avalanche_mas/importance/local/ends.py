"""The ends of stretches: those that nothing has used yet, and the constants that stand for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from avalanche_mas.importance.local.descent import tensors_in
from avalanche_mas.importance.local.nonlinear import LINEAR, only_shapes


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

    def scaled(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Tensor, ...]:
        """Return the activation that an operation only scales, shifts or shapes, such as 1 + tanh(h)."""
        if only_shapes(func, args):
            return args[:1] if self.is_open(args[0]) else ()
        if func not in LINEAR:
            return ()
        moving = [t for t in tensors_in((args, kwargs)) if self.going_on(t).requires_grad]
        if len(moving) != 1 or not self.is_open(moving[0]):
            return ()
        divided = LINEAR[func] in ("div", "divide", "true_divide", "__truediv__")
        return () if divided and args[0] is not moving[0] else (moving[0],)
