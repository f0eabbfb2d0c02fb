"""Many runs, a few at a time, under one progress bar; lost runs are retried."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.engines.engine import FINISHED, LINE, LOST, SHARE, Engine, News, Work
from benchmarks.record.folders import is_finished, lock_of
from benchmarks.record.imported import importable
from benchmarks.record.lock import locked
from benchmarks.run.job import Job
from benchmarks.run.runner import run

PATIENCE = 120.0
"""Seconds that a run waits for its folder; an NFS server keeps the lock of a dead node for about 90."""


def do(job: Job, say: Callable[[str], None], show: Callable[[float], None]) -> None:
    """Do a run in a process that does nothing else, unless another one has done it meanwhile.

    Raises:
        InUseError: Another process is doing it.
    """
    torch.set_num_threads(job.threads)
    if job.code is not None:
        importable(job.code)  # another node is in another folder
    job.folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(lock_of(job.folder), say, PATIENCE):
        if is_finished(job.folder, job.settings, say):
            say(f"already there, in {job.folder}")
        else:
            run(job, say, show)


@dataclass
class _Entry:
    job: Job
    lost: int = 0
    share: float | None = None


@dataclass
class _Board:
    """The state of all runs."""

    bar: Any
    retries: int
    waiting: deque[_Entry]
    running: dict[int, _Entry] = field(default_factory=dict)
    failed: list[Job] = field(default_factory=list)

    def take(self, news: News) -> None:
        """Record and print news of a run."""
        entry = self.running[news.ticket]
        if news.kind == LINE:
            self.bar.write(f"{entry.job.title}: {news.content}")
        elif news.kind == SHARE:
            entry.share = news.content
        else:
            del self.running[news.ticket]
            if news.kind == LOST and entry.lost < self.retries:
                self.bar.write(
                    f"{entry.job.title}: lost, as {news.content}; "
                    f"retry {entry.lost + 1} of {self.retries}"
                )
                self.waiting.appendleft(_Entry(entry.job, entry.lost + 1))
            elif news.kind != FINISHED:
                self.bar.write(f"{entry.job.title} FAILED: {news.content}")
                self.failed.append(entry.job)

    def show(self) -> None:
        """Update the progress bar."""
        left = len(self.waiting) + sum(1 - (entry.share or 0) for entry in self.running.values())
        begun = [entry.job.title for entry in self.running.values() if entry.share is not None]
        self.bar.n = self.bar.total - left
        self.bar.set_description_str(", ".join(begun), refresh=False)
        self.bar.update(0)


def run_all(jobs: Sequence[Job], engine: Engine, retries: int, work: Work) -> list[Job]:
    """Run all jobs in this order, print what goes wrong, and return the jobs that failed.

    Raises:
        ValueError: The engine cannot do these jobs.
        ConnectionError: The engine is lost.
    """
    with engine.session(jobs, work) as session, _bar(len(jobs)) as bar:
        board = _Board(bar, retries, deque(map(_Entry, jobs)))
        while board.waiting or board.running:
            while board.waiting and len(board.running) < engine.at_a_time:
                entry = board.waiting.popleft()
                board.running[session.start(entry.job)] = entry
            for news in session.news():
                board.take(news)
            board.show()
    return board.failed


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
