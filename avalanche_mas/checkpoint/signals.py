"""Signals that ask a process to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGTERM", "SIGINT", "SIGUSR1")
"""Of a scheduler that preempts, and Ctrl-C."""


@contextmanager
def answered(answer: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have the signals answered by a function, but for those that the process ignores.

    Python allows it in the main thread only; in another one nothing changes.
    """
    names = NAMES if threading.current_thread() is threading.main_thread() else ()
    found = [getattr(signal, name) for name in names if hasattr(signal, name)]
    heard = [number for number in found if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, answer) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
