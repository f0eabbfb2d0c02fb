"""The packages and classes whose objects are written and read attribute by attribute."""

from __future__ import annotations

import sys
from typing import Any

ROOMS = ("avalanche.", "avalanche_mas.")
"""The packages whose objects are read and written attribute by attribute."""

VALUE_ROOMS = (
    "avalanche.evaluation.",
    "avalanche.training.storage_policy",
    "avalanche.training.utils",
    "avalanche_mas.metrics.",
)
"""Where the classes are of which objects may be made anew, as entries of a dictionary or list."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be made, or cannot be read; the message says what to do."""


def room_of(kind: type) -> str:
    """Return the name of a class, with its module."""
    return f"{kind.__module__}.{kind.__qualname__}"


def value_class(name: str) -> Any:
    """Return a class of which objects may be made.

    Raises:
        CheckpointError: It is not one of them.
    """
    module, _, kind = name.rpartition(".")
    found = getattr(sys.modules.get(module), kind, None)
    if not name.startswith(VALUE_ROOMS) or not isinstance(found, type):
        raise CheckpointError(
            f"the checkpoint has a {name}, and the strategy nothing of that kind in its place; build the "
            "strategy as it was when the checkpoint was saved"
        )
    return found
