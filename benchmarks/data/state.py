"""The state of a task's data under a root, judged by its lists and a few pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avalanche_mas.streams import Reading, Sizes, Task, is_stand_in, locate, read_lists
from benchmarks.data import sources
from benchmarks.data.record import read_record


@dataclass(frozen=True)
class State:
    """The state of a task's data: is its folder there, can a stream be made, and a line for the user."""

    present: bool
    usable: bool
    message: str


def state(task: Task, root: Path, stand_in: bool = False) -> State:
    """Check a task's lists, the existence of the listed files, and the colour of a few pictures."""
    try:
        locate(task, root, stand_in)
    except FileNotFoundError:
        begun = [source for source in sources.SOURCES[task.name] if _begun(root, source.file)]
        return State(False, False, _partly(task, root) if begun else "absent")
    try:
        reading = read_lists(task, root, stand_in)
        stands_in = is_stand_in(task, reading, root, stand_in)
        fetched = read_record(task, root)
    except (FileNotFoundError, ValueError) as error:
        partly = f"{_partly(task, root)}; " if sources.missing(task.name, root) else ""
        return State(True, False, f"{partly}not usable: {error}")
    found = halved_sizes(reading)
    counts = f"{len(reading.classes)} classes, {found}"
    if stands_in:
        return State(True, True, f"STAND-IN: {counts}")
    came = f" (fetched {fetched[-1]['fetched'][:10]})" if fetched else ""
    agreement = task.agreement(len(reading.classes), found)
    return State(True, True, f"{counts}{came}: {agreement}")


def _begun(root: Path, file: str) -> bool:
    return any((root / sources.DOWNLOADS / name).exists() for name in (file, f"{file}.part"))


def _partly(task: Task, root: Path) -> str:
    every, absent = sources.SOURCES[task.name], sources.missing(task.name, root)
    there = len(every) - len(absent)
    return f"partly downloaded: {there} of {len(every)} files installed"


def halved_sizes(reading: Reading) -> Sizes:
    """Return the sizes after halving the test set."""
    valid = len(reading.test) // 2
    return Sizes(len(reading.train), valid, len(reading.test) - valid)
