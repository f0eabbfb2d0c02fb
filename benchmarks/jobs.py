"""Many runs, a few at a time, each a process of its own, under one progress bar."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.runner import Job, run

LOG = "error.log"

# A forked process has the libraries and the data already, which a spawned one would spend half a
# minute on. Forking is safe here: before it, this process runs no torch operation on several
# threads, and no backward pass.
_CONTEXT: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")


@dataclass
class _Running:
    job: Job
    process: Any
    messages: Connection
    share: float = 0.0
    finished: bool = False
    trouble: str = ""


def title(job: Job) -> str:
    """Return how a run is called on the terminal."""
    return job.settings.title


def run_all(jobs: Sequence[Job], at_a_time: int) -> list[Job]:
    """Run all jobs and return those that failed, what went wrong having been said.

    Args:
        jobs: The runs, started in this order.
        at_a_time: How many processes there are at any time.
    """
    waiting, running, failed = list(jobs), list[_Running](), list[Job]()
    with _bar(len(jobs)) as bar:
        try:
            while waiting or running:
                while waiting and len(running) < at_a_time:
                    running.append(_start(waiting.pop(0)))
                _listen(running, bar)
                for ended in [entry for entry in running if entry.messages.closed]:
                    running.remove(ended)
                    if not ended.finished:
                        failed.append(ended.job)
                        bar.write(f"{title(ended.job)} FAILED: {_explain(ended)}")
                bar.n = len(jobs) - len(waiting) - sum(1 - entry.share for entry in running)
                bar.set_description_str(", ".join(title(r.job) for r in running), refresh=False)
                bar.update(0)
        finally:
            for entry in running:
                entry.process.terminate()
                entry.process.join()
    return failed


def _bar(runs: int) -> Any:
    tqdm.monitor_interval = 0  # no thread beside this one: processes are forked from it
    return tqdm(
        total=runs,
        bar_format="{percentage:3.0f}%|{bar}| {elapsed}<{remaining} {desc}",
        miniters=0,
        mininterval=0.2 if sys.stderr.isatty() else 15.0,
        smoothing=0.0,
        dynamic_ncols=True,
    )


def _start(job: Job) -> _Running:
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_work, args=(job, theirs), name=title(job))
    with warnings.catch_warnings():
        # From Python 3.12 on forking warns of other threads: NumPy's idle ones, which survive it.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()
    return _Running(job, process, ours)


def _listen(running: Sequence[_Running], bar: Any) -> None:
    """Wait until a run says something or ends; say its lines, keep its share."""
    ready = wait([entry.messages for entry in running], timeout=1.0)
    for entry in running:
        if entry.messages in ready:
            try:
                kind, content = entry.messages.recv()
            except (EOFError, OSError):
                entry.messages.close()
                entry.process.join()
                continue
            if kind == "line":
                bar.write(f"{title(entry.job)}: {content}")
            elif kind == "share":
                entry.share = content
            else:
                entry.finished, entry.trouble = kind == "finished", content


def _explain(entry: _Running) -> str:
    return entry.trouble or f"its process ended with code {entry.process.exitcode}"


def _work(job: Job, messages: Connection) -> None:
    """Do one run in a process of its own; what goes wrong is kept in its folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    torch.set_num_threads(job.threads)

    def send(kind: str) -> Callable[[Any], None]:
        return lambda content: messages.send((kind, content))

    try:
        run(job, say=send("line"), show=send("share"))
        messages.send(("finished", ""))
    except BaseException as error:
        job.folder.mkdir(parents=True, exist_ok=True)
        with (job.folder / LOG).open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        messages.send(("failed", f"{type(error).__name__}: {error}; see {job.folder / LOG}"))
