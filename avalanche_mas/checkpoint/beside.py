"""What is saved beside a strategy: its loggers, and what the user has named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class HasState(Protocol):
    """Something whose state can be saved."""

    def state_dict(self) -> Any:
        """Return the state: numbers, texts, tensors, arrays, and collections of them."""

    def load_state_dict(self, state: Any, /) -> Any:
        """Go on from a state."""


class Beside:
    """Things with a state, by name.

    Args:
        named: What the user has named.
    """

    def __init__(self, named: Mapping[str, HasState]) -> None:
        self.named = named
        self._unused: dict[str, Any] = {}

    def states(self, strategy: Any) -> dict[str, Any]:
        """Return the states, and those of loggers that the checkpoint had and this run lacks."""
        here = self._with_loggers(strategy)
        return {**self._unused, **{name: each.state_dict() for name, each in here.items()}}

    def load(self, strategy: Any, states: Mapping[str, Any]) -> None:
        """Go on from these states."""
        here = self._with_loggers(strategy)
        self._unused = {name: state for name, state in states.items() if name not in here}
        for name in here.keys() & states.keys():
            here[name].load_state_dict(states[name])

    def _with_loggers(self, strategy: Any) -> dict[str, HasState]:
        loggers: dict[str, HasState] = {}
        for logger in getattr(strategy.evaluator, "loggers", ()):
            if hasattr(logger, "state_dict") and hasattr(logger, "load_state_dict"):
                kind = type(logger).__name__
                loggers[f"{kind} {sum(name.startswith(kind) for name in loggers)}"] = logger
        return {**loggers, **self.named}
