"""Signals that ask a process to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

OF_SCHEDULERS = ("SIGTERM", "SIGUSR1")
"""The signals by which a scheduler announces a preemption."""


@contextmanager
def answered(
    names: Iterable[str], answer: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Have signals of these names answered by a function, but for those that the process ignores.

    Python allows it in the main thread only; in another one nothing changes.
    """
    in_main = threading.current_thread() is threading.main_thread()
    found = [getattr(signal, name) for name in names if in_main and hasattr(signal, name)]
    heard = [number for number in found if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, answer) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
