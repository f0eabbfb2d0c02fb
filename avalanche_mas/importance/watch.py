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

from avalanche_mas.importance.layers import RULES

__all__ = ["Key", "Watcher"]

Key = tuple[Any, ...]
"""A use of parameters: the operation, the parameters' names, and how often they were used before."""


class Watcher(TorchFunctionMode):
    """Hands every operation that has a rule and uses tracked parameters to :meth:`layer`.

    Args:
        names: the tracked parameters and their names.

    Attributes:
        by_rule: whether operations with a rule are treated as such; otherwise all go to :meth:`other`.
    """

    def __init__(self, names: Mapping[Parameter, str]) -> None:
        super().__init__()
        self.names = names
        self.times: Counter[Key] = Counter()
        self.by_rule = True

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
        if not torch.is_grad_enabled():
            return func(*args, **kwargs)
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

    def layer(
        self, key: Key, bound: dict[str, Any], used: dict[str, Parameter], output: Tensor
    ) -> Tensor:
        """Take note of one use and give the output that the network goes on with."""
        raise NotImplementedError

    def other(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operation that no rule is for."""
        return func(*args, **kwargs)


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
