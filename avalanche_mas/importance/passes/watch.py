"""Watching a forward pass: which operations use parameters, whatever code called them.

A torch function mode sees every operation. Those that have a rule and use a tracked parameter are run on
the detached parameter, and a subclass decides what becomes of their output. Functions that hold such
operations in their own body are looked into.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from avalanche_mas.importance.gradients.layers import RULES

_INSPECTIONS = (
    "__get__ __len__ dim dim_order element_size get_device is_contiguous is_floating_point ndimension "
    "nelement numel size storage_offset stride type"
)
INSPECTIONS = frozenset(_INSPECTIONS.split())
"""Functions that look at a tensor's form, not at its values."""

Key = tuple[Any, ...]
"""A use of parameters: the operation, the parameters' names, and how often they were used before."""


class Watcher(TorchFunctionMode):
    """A mode that hands every operation with a rule and tracked parameters to :meth:`layer`.

    Args:
        names: the tracked parameters and their names.

    Attributes:
        by_rule: whether rules are used; otherwise all go to :meth:`other`.
        moved: whether rows may have moved, depending on their values.
    """

    def __init__(self, names: Mapping[Parameter, str]) -> None:
        super().__init__()
        self.names = names
        self.times: Counter[Key] = Counter()
        self.by_rule, self.moved = True, False

    @override
    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _COMPOSITES:
            with self:
                return _COMPOSITES[func](*args, **kwargs)
        self.moved = self.moved or moves(func, args)
        if not torch.is_grad_enabled():
            return func(*args, **kwargs)
        if torch._C._functorch.maybe_current_level() is not None:  # in vmap, grad or jvp
            return self.transformed(func, args, kwargs)
        if getattr(func, "__name__", "") in INSPECTIONS:
            result = func(*args, **kwargs)
            if not isinstance(result, Tensor) or not result.requires_grad or result.is_leaf:
                return result
        args, kwargs = self.prepare(func, args, kwargs)
        if func not in RULES or not self.by_rule:
            return self.other(func, args, kwargs)
        bound = RULES[func].bind(args, kwargs) or {}
        used = {
            role: bound[role]
            for role in RULES[func].parameters
            if isinstance(bound.get(role), Parameter) and bound[role] in self.names
        }
        others = [value for role, value in bound.items() if role not in used]
        if not used or any(value is parameter for value in others for parameter in used.values()):
            return self.other(func, args, kwargs)
        use = (func, *(self.names[parameter] for parameter in used.values()))
        self.times[use] += 1
        args = tuple(_detached(value, used) for value in args)
        kwargs = {name: _detached(value, used) for name, value in kwargs.items()}
        return self.layer((*use, self.times[use]), bound, used, func(*args, **kwargs))

    @property
    def keys(self) -> set[Key]:
        """The uses that were seen."""
        return {(*use, time) for use, times in self.times.items() for time in range(1, times + 1)}

    def prepare(
        self,
        func: Any,  # noqa: ARG002
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments that an operation gets."""
        return args, kwargs

    def layer(
        self, key: Key, bound: dict[str, Any], used: dict[str, Parameter], output: Tensor
    ) -> Tensor:
        """Note one use and return the output that the network goes on with."""
        raise NotImplementedError

    def transformed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operation within a transform of `torch.func`, where no rule holds."""
        return func(*args, **kwargs)

    def other(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operation without a rule."""
        return func(*args, **kwargs)


class _Tap(torch.autograd.Function):
    """An identity that makes a tensor part of the graph, so that its gradient is computed."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, anchor: Tensor) -> Tensor:  # noqa: ARG004
        ctx.mark_dirty(output)
        return output

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG004
        return delta, delta.new_zeros(())


def tapped(output: Tensor, anchor: Tensor) -> Tensor:
    """Return ``output`` as a part of the graph whose gradient is computed if that of ``anchor`` is."""
    result: Tensor = _Tap.apply(output.clone() if output._is_view() else output, anchor)
    return result


def is_tap(node: Any) -> bool:
    """Return whether a node of the graph is one that :func:`tapped` has put there."""
    return isinstance(node, _Tap._backward_cls)


_MOVING = (
    "argsort argwhere bincount gather index_add index_copy index_put index_select masked_scatter "
    "masked_select msort nonzero repeat_interleave scatter scatter_add scatter_reduce sort take "
    "take_along_dim topk unique unique_consecutive _pack_padded_sequence "
    "__array__ __bool__ __float__ __index__ __int__ allclose equal is_nonzero item numpy tolist"
)
MOVING = frozenset(_MOVING.split())


def moves(func: Any, args: tuple[Any, ...]) -> bool:
    """Return whether an operation picks rows by values, or lets Python see values."""
    name = getattr(func, "__name__", "").removesuffix("_")
    if name in ("__getitem__", "__setitem__"):
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        return any(isinstance(part, Tensor | list) for part in index)
    return name in MOVING


def _detached(value: Any, used: dict[str, Parameter]) -> Any:
    return value.detach() if any(value is parameter for parameter in used.values()) else value


def _descending(composite: Any) -> Any:
    """Copy a composite of ``torch.nn.functional`` so that a mode sees the operations within it."""
    silent = {
        name: lambda *_: False
        for name in (
            "has_torch_function",
            "has_torch_function_unary",
            "has_torch_function_variadic",
        )
    }
    return types.FunctionType(
        composite.__code__,
        {**composite.__globals__, **silent},
        composite.__name__,
        composite.__defaults__,
        composite.__closure__,
    )


_COMPOSITES = {F.multi_head_attention_forward: _descending(F.multi_head_attention_forward)}
