"""Fetching data sets task by task, with a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avalanche_mas.streams import Task
from benchmarks.data.disk import DiskError, FetchError, require_space, writing
from benchmarks.data.download import Say
from benchmarks.data.install import ByHandError, install, needed_space
from benchmarks.data.lock import locked
from benchmarks.data.sources import DOWNLOADS, missing
from benchmarks.data.state import state

FAILED = "FAILED: "


@dataclass(frozen=True)
class Outcome:
    """The outcome of fetching one task.

    Attributes:
        task: the task's name.
        good: whether the data are there.
        told: the report, one or more lines.
    """

    task: str
    good: bool
    told: str


def fetch(tasks: Sequence[Task], root: Path, keep: bool, say: Say) -> list[Outcome]:
    """Fetch tasks one after another; a failure does not stop the others.

    Args:
        tasks: the tasks.
        root: the destination folder; created if need be.
        keep: keep downloaded archives in ``ROOT/downloads`` after unpacking.
        say: shows progress.
    """
    outcomes = []
    for task in tasks:
        say(f"{task.name}: {task.title}")
        outcome = _fetch_one(task, root, keep, say)
        say(f"{task.name}: {outcome.told}")
        outcomes.append(outcome)
    return outcomes


def _fetch_one(task: Task, root: Path, keep: bool, say: Say) -> Outcome:
    if not missing(task.name, root):
        return _there(task, root, "already there, nothing to do")
    try:
        with writing(root):
            (root / DOWNLOADS).mkdir(parents=True, exist_ok=True)
        with locked(root / DOWNLOADS / f"{task.name}.lock", say):
            problems = _install_all(task, root, keep, say)
    except (FetchError, OSError, ValueError) as error:
        return Outcome(task.name, False, f"{FAILED}{error}")
    if problems:
        return Outcome(task.name, False, "\n".join(problems))
    return _there(task, root, "fetched")


def _install_all(task: Task, root: Path, keep: bool, say: Say) -> list[str]:
    """Install what is missing; return failures, and the files that a person has to bring.

    Raises:
        DiskError: the disk is full or cannot be written.
    """
    wanted = missing(task.name, root)  # another process may have installed some meanwhile
    require_space(root, sum(needed_space(source, root) for source in wanted), task.name)
    failed, to_bring = [], []
    for source in wanted:
        try:
            install(task, source, root, keep, say)
        except DiskError:  # noqa: PERF203 - a handful of files, and each takes seconds
            raise
        except ByHandError as error:
            to_bring.append(f"  {error}")
        except FetchError as error:
            failed.append(f"{FAILED}{error}")
    if to_bring:
        failed += ["NEEDS YOU: bring these files, then run the command again:", *to_bring]
    return failed


def _there(task: Task, root: Path, how: str) -> Outcome:
    found = state(task, root)
    if found.usable:
        return Outcome(task.name, True, f"{how}: {found.told}")
    return Outcome(task.name, False, f"{FAILED}the files are there, but {found.told}")
