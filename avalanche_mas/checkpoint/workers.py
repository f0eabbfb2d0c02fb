"""The workers of loaders, which leave signals to the process that trains."""

from __future__ import annotations

import atexit
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from weakref import WeakSet

from torch.utils.data._utils.worker import _worker_loop

_deaf: WeakSet[BaseProcess] = WeakSet()


@contextmanager
def deaf_workers(names: Iterable[str]) -> Iterator[None]:
    """Start the workers of loaders with signals of these names blocked, where the system can.

    A signal to the process group, as of Ctrl-C, would end them, and torch then raises in the middle of
    a step. No handler helps, as torch sets one for SIGTERM in every worker.
    """
    start = BaseProcess.start

    def start_deaf(self: BaseProcess) -> None:
        blocked = set()
        if vars(self).get("_target") is _worker_loop:
            blocked = {getattr(signal, name) for name in names}
            _deaf.add(self)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        try:
            start(self)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    if hasattr(signal, "pthread_sigmask"):
        BaseProcess.start = start_deaf  # type: ignore[method-assign]
    try:
        yield
    finally:
        BaseProcess.start = start  # type: ignore[method-assign]


@atexit.register
def _end() -> None:
    """End what is left, for which Python would wait: it asks with SIGTERM."""
    for process in active_children():
        if process in _deaf:
            process.kill()
