"""Which strategies are training now, as only the call stack knows.

An interrupt leaves `train` without telling anyone, and the strategy with the attributes that it has in
training.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from typing import Any


def in_train() -> Iterator[Any]:
    """Yield the objects whose method `train` this thread is in, innermost first."""
    for frame, _ in traceback.walk_stack(sys._getframe(1)):
        if frame.f_code.co_name == "train":
            yield frame.f_locals.get("self")


def is_training(plugin: Any) -> bool:
    """Return whether a strategy with this plugin is in its `train` now, in this thread."""
    return any(each is plugin for one in in_train() for each in getattr(one, "plugins", ()))
