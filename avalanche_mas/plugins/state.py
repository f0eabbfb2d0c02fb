"""Checks of a plugin's state before it is loaded. Pure torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from avalanche_mas.importance import Measure
from avalanche_mas.importance.result.checks import check_entries

_PENALTY = ("importance", "anchors", "tasks", "accumulation")


def check_state(state: Mapping[str, Any], measure: Measure) -> None:
    """Refuse a state of another measure, or whose entries are wrong or contradict each other.

    Raises:
        ValueError: an entry is missing or wrong; the message names it.
    """
    if set(state) != set(_ENTRIES):
        raise ValueError(f"expected the entries {sorted(_ENTRIES)}, found {sorted(state)}")
    if state["kind"] != str(measure):
        raise ValueError(
            f"the importance of this state is of kind {state['kind']!r}, and this plugin "
            f"measures {str(measure)!r}; their scales differ, so they cannot be put together"
        )
    for name, (holds, expected) in _ENTRIES.items():
        if not holds(state[name]):
            raise ValueError(
                f"{name!r} of this state must be {expected}, got {_brief(state[name])}; "
                f"pass what the plugin's state_dict() returned"
            )
    estimate, learned = state["estimate"], state["learned"]
    known = [name for name in ("estimate", "learned", "samples") if state[name]]
    if len(known) not in (0, 3):
        raise ValueError(
            f"'estimate', 'learned' and 'samples' must be all present or all absent; "
            f"this state has only {' and '.join(map(repr, known))}"
        )
    for name, value in (estimate or {}).items():
        check_entries(name, value)
        held = learned["importance"].get(name)
        if held is None or held.shape != value.shape:
            raise ValueError(
                f"'estimate' of this state has {list(value.shape)} for {name!r}, 'learned' has "
                f"{None if held is None else list(held.shape)}"
            )
    if state["fingerprint"] is not None and state["fingerprint"].keys() != (estimate or {}).keys():
        raise ValueError("'fingerprint' and 'estimate' of this state name different parameters")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a check for a mapping from names to values that all hold."""

    def check(value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            isinstance(name, str) and holds(each) for name, each in value.items()
        )

    return check


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value) is not None


def _are_labels(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(map(_is_count, value))


def _is_penalty(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and set(value) == set(_PENALTY)
        and all(_are(_is_tensor)(value[name]) for name in ("importance", "anchors"))
        and _are(_is_count)(value["tasks"])
        and isinstance(value["accumulation"], str)
    )


def _or_none(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


_ENTRIES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "kind": (lambda value: isinstance(value, str), "a string"),
    "task_labels": (_or_none(_are_labels), "None or a tuple of integers"),
    "pieces": (_is_count, "an integer, 0 or more"),
    "samples": (_is_count, "an integer, 0 or more"),
    "held": (_is_penalty, f"a dictionary of {', '.join(_PENALTY)}"),
    "learned": (_or_none(_is_penalty), f"None or a dictionary of {', '.join(_PENALTY)}"),
    "estimate": (_or_none(_are(_is_tensor)), "None or floating tensors by name"),
    "fingerprint": (_or_none(_are(_is_digest)), "None or 16 hexadecimal digits by name"),
}


def _brief(value: Any) -> str:
    """Return a value for a message, or what it is where that would be long."""
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"
