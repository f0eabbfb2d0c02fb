"""Fetching data sets task by task, with a report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from avalanche_mas.streams import Task
from benchmarks.data.disk import DiskError, FetchError, require_space, writing
from benchmarks.data.download import Say
from benchmarks.data.install import ByHandError, install, needed_space
from benchmarks.data.sources import DOWNLOADS, missing
from benchmarks.data.state import state
from benchmarks.record.lock import locked

FAILED = "FAILED: "


@dataclass(frozen=True)
class Outcome:
    """The outcome of fetching one task: whether the data are there, and a report of some lines."""

    task: str
    good: bool
    message: str


def fetch(tasks: Sequence[Task], root: Path, keep: bool, say: Say) -> list[Outcome]:
    """Fetch tasks one after another; a failure does not stop the others.

    `keep` keeps downloaded archives in `ROOT/downloads` after unpacking.
    """
    outcomes = []
    for task in tasks:
        say(f"{task.name}: {task.title}")
        outcome = _fetch_one(task, root, keep, say)
        say(f"{task.name}: {outcome.message}")
        outcomes.append(outcome)
    return outcomes


def _fetch_one(task: Task, root: Path, keep: bool, say: Say) -> Outcome:
    if not missing(task.name, root):
        return _there(task, root, "already there, nothing to do")
    try:
        with ExitStack() as held:
            with writing(root):
                (root / DOWNLOADS).mkdir(parents=True, exist_ok=True)
                lock = root / DOWNLOADS / f"{task.name}.lock"
                held.enter_context(locked(lock, lambda line: say(f"  {line}")))
            problems = _install_all(task, root, keep, say)
    except (FetchError, OSError, ValueError) as error:
        return Outcome(task.name, False, f"{FAILED}{error}")
    if problems:
        return Outcome(task.name, False, "\n".join(problems))
    return _there(task, root, "fetched")


def _install_all(task: Task, root: Path, keep: bool, say: Say) -> list[str]:
    """Install what is missing; return the failures, and the files to download by hand."""
    wanted = missing(task.name, root)  # another process may have installed some meanwhile
    require_space(root, sum(needed_space(source, root) for source in wanted), task.name)
    failed, by_hand = [], []
    for source in wanted:
        try:
            install(task, source, root, keep, say)
        except DiskError:  # noqa: PERF203 - a handful of files, and each takes seconds
            raise
        except ByHandError as error:
            by_hand.append(f"  {error}")
        except FetchError as error:
            failed.append(f"{FAILED}{error}")
    if by_hand:
        failed += ["ACTION NEEDED: download these files by hand, then rerun the command:", *by_hand]
    return failed


def _there(task: Task, root: Path, how: str) -> Outcome:
    found = state(task, root)
    if found.usable:
        return Outcome(task.name, True, f"{how}: {found.message}")
    return Outcome(task.name, False, f"{FAILED}the files are there, but {found.message}")
