"""Runs on this machine, each in a process forked from this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

import torch

from avalanche_mas.signals import OF_SCHEDULERS
from benchmarks.engines.engine import FAILED, LINE, LOST, SHARE, News, Work, attempt

if TYPE_CHECKING:
    from benchmarks.run.job import Job

# A forked process already has the libraries and the data; a spawned one would need half a minute to
# load them. Forking is safe here: before it, this process runs no torch operation on several
# threads, and no backward pass.
_CONTEXT: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")

PATIENCE = 60.0
"""Seconds that a process gets to save what it has learned, before it is killed."""


@dataclass(frozen=True)
class LocalEngine:
    """Processes on this machine: so many at a time, each with so many threads."""

    at_a_time: int
    threads: int

    @contextmanager
    def session(self, jobs: Sequence[Job], work: Work) -> Iterator[_Processes]:
        """Yield what starts processes, and stop those that are left at the end.

        Raises:
            ValueError: The runs need a GPU, and there is none.
        """
        for job in jobs:
            check_device(job.settings.device)
        processes = _Processes(work)
        try:
            yield processes
        finally:
            processes.stop()


def check_device(device: str) -> None:
    """Refuse a GPU where there is none.

    Raises:
        ValueError: There is none.
    """
    # Not `is_available`: it may initialise CUDA in this process, and then no fork could use it.
    if device == "cuda" and not torch.cuda.device_count():
        raise ValueError(
            "--device cuda: PyTorch finds no GPU here; leave it out to train on the CPU"
        )


@dataclass
class _Process:
    ticket: int
    process: Any
    messages: Connection
    outcome: tuple[str, str] | None = None


class _Processes:
    """The runs in progress."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._tickets = count()
        self._running: list[_Process] = []

    def start(self, job: Job) -> int:
        """Start a run."""
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        process = _CONTEXT.Process(target=_do, args=(self._work, job, theirs))
        with warnings.catch_warnings():
            # Python 3.12 and later warn of other threads when forking: here NumPy's, which are idle.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        self._running.append(_Process(next(self._tickets), process, ours))
        return self._running[-1].ticket

    def news(self) -> Iterator[News]:
        """Yield at most one message of each run."""
        ready = wait([entry.messages for entry in self._running], timeout=1.0)
        for entry in [entry for entry in self._running if entry.messages in ready]:
            try:
                kind, content = entry.messages.recv()
            except (EOFError, OSError):
                entry.messages.close()
                entry.process.join()
                self._running.remove(entry)
                yield News(entry.ticket, *(entry.outcome or _explain(entry.process.exitcode)))
                continue
            if kind in (LINE, SHARE):
                yield News(entry.ticket, kind, content)
            else:
                entry.outcome = kind, content

    def stop(self) -> None:
        """Stop all remaining processes together."""
        for entry in self._running:
            entry.process.terminate()
        for entry in self._running:
            entry.process.join(PATIENCE)
            entry.process.kill()
            entry.process.join()


def _explain(code: int) -> tuple[str, str]:
    """Explain the exit of a process that sent no result."""
    if code >= 0:
        return FAILED, f"its process exited with code {code}"
    name = signal.Signals(-code).name
    why = "; the system does that when memory runs out: try fewer --jobs" * (name == "SIGKILL")
    return LOST, f"its process was killed by {name}{why}"


def _do(work: Work, job: Job, messages: Connection) -> None:
    """Do one run in the process started for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    for name in OF_SCHEDULERS:  # until training answers them with a checkpoint
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    messages.send(attempt(work, job, lambda kind, content: messages.send((kind, content))))


def _end_with_parent() -> None:
    """End this process when its parent has ended, however that happened."""
    parent: Any = multiprocessing.parent_process()
    wait([parent.sentinel])
    os._exit(1)
