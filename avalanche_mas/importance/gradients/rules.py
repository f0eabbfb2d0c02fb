"""The register of rules: which operations have one, and how a call is bound to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from avalanche_mas.importance.gradients.persample import PerSample

Gradients = dict[str, PerSample]


@dataclass(frozen=True)
class Rule:
    """A rule: how the parameters of one operation get their per-sample gradients.

    Attributes:
        gradients: the rule itself.
        features: the number of trailing dimensions of the output, given its shape and the call's
            arguments, among which the batch cannot lie.
        parameters: names of the arguments that may be parameters.
        unset: names of the arguments that must be false or None for the rule to hold.
        narrow: whether it may get tensors that are narrower than float32, and sums them in float32.
        reads: whether the gradients depend on the values of the arguments.
        signature: that of the rule.
    """

    gradients: Callable[..., Gradients]
    features: Callable[[Tensor, dict[str, Any]], int]
    parameters: tuple[str, ...]
    unset: tuple[str, ...]
    narrow: bool
    reads: bool
    signature: inspect.Signature

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """Return the arguments of a call by the rule's names, or None for a call that it does not cover."""
        try:
            bound = self.signature.bind(None, None, *args, **kwargs)
        except TypeError:
            return None
        bound.apply_defaults()
        if any(bound.arguments[name] for name in self.unset):
            return None
        return {name: bound.arguments[name] for name in list(self.signature.parameters)[2:]}


RULES: dict[Any, Rule] = {}


def rule(
    *operations: Any,
    features: Callable[[Tensor, dict[str, Any]], int],
    parameters: tuple[str, ...] = ("weight", "bias"),
    unset: tuple[str, ...] = (),
    narrow: bool = False,
    reads: bool = True,
) -> Callable[[Callable[..., Gradients]], Callable[..., Gradients]]:
    """Register a rule for these operations."""

    def register(function: Callable[..., Gradients]) -> Callable[..., Gradients]:
        found = Rule(
            function, features, parameters, unset, narrow, reads, inspect.signature(function)
        )
        RULES.update(dict.fromkeys(operations, found))
        return function

    return register
