"""What a plugin shows of its memory, under today's names and earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from torch import Tensor
from typing_extensions import deprecated

from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.plugins.memory import Memory


class Shown:
    """The properties of a plugin that show its memory; `MASPlugin` describes the others."""

    _memory: Memory

    def __repr__(self) -> str:
        more = [
            f"{each.name}={_brief(getattr(self, each.name))}"
            for each in fields(self)  # type: ignore[arg-type]  # of `PluginOptions`
            if each.name != "importance_dtype"  # which the penalty has, too
            and getattr(self, each.name) != each.default
        ]
        estimate = self._memory.estimate
        samples = "" if estimate is None else f", samples={estimate.samples}"
        return f"{type(self).__name__}({self._memory.latest.description(*more)}{samples})"

    @property
    def lambda_reg(self) -> float:
        """The strength λ; it may be set, to another one for the steps to come."""
        return self._memory.held.lambda_reg

    @lambda_reg.setter
    def lambda_reg(self, value: float) -> None:
        self._memory.set_strength(value)

    @property
    def alpha(self) -> float | None:
        """The share of the tasks before in a running blend; None where there is no blend."""
        return self._memory.held.alpha

    @property
    def accumulation(self) -> str:
        """How the importances of the tasks are put together."""
        return self._memory.held.accumulation

    @property
    def importance(self) -> Mapping[str, Tensor]:
        """Ω by parameter name, accumulated over the tasks learned so far; read-only."""
        return self._memory.latest.importance

    @property
    def anchors(self) -> Mapping[str, Tensor]:
        """θ* by parameter name: the parameters at the end of the last task; read-only."""
        return self._memory.latest.anchors

    @property
    def quadratic_penalty(self) -> QuadraticPenalty:
        """The penalty of the tasks before the current one or, between tasks, before the last one."""
        return self._memory.held

    @property
    @deprecated("params, the name of Avalanche's own MASPlugin, is anchors here: tensors by name")
    def params(self) -> Mapping[str, Tensor]:
        """θ* by parameter name."""
        return self.anchors

    _lambda = lambda_reg  # as scripts for Avalanche's own MASPlugin set it

    @property
    @deprecated("held is now quadratic_penalty")
    def held(self) -> QuadraticPenalty:
        """The penalty that is applied."""
        return self._memory.held


def _brief(value: Any) -> str:
    """Return an option's value in a few words: of functions and objects the name only."""
    if isinstance(value, bool | int | str | tuple):
        return repr(value)
    return getattr(value, "__qualname__", f"<{type(value).__name__}>")
