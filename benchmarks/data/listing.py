"""The eight data sets in words: sizes, licences, sources, and their state under a root."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from avalanche_mas.streams import TASKS, Task, drawn
from benchmarks.data import sources
from benchmarks.data.disk import human
from benchmarks.data.sources import Source
from benchmarks.data.state import state


def listing(root: Path | None, stand_ins: Collection[str]) -> Iterator[str]:
    """Yield the lines of `data list`."""
    for task in TASKS.values():
        sizes = f"{task.num_classes} classes, {task.sizes}"
        yield f"{task.name}: {task.title}, {sizes}"
        for fact, value in _facts(task, root):
            yield f"  {fact:9}{value}"
        if root is not None:
            yield f"  {'state':9}{state(task, root, task.name in stand_ins).message}"


def _facts(task: Task, root: Path | None) -> Iterator[tuple[str, str]]:
    yield "drawn", f"{len(drawn.CLASSES[task.name])} classes"
    yield "page", task.address
    yield "licence", task.licence
    yield "split", task.split
    yield "place", f"{root or 'ROOT'}/{task.folder}"
    for source in sources.SOURCES[task.name]:
        yield "file", _source(source)
        for url in source.urls:
            yield "", f"  {url}"
    for place in dict.fromkeys(
        source.by_hand for source in sources.SOURCES[task.name] if source.by_hand
    ):
        yield "by hand", place


def _source(source: Source) -> str:
    size = human(source.size) if source.size else "size not stated"
    known = ", ".join(name.upper() for name in source.sums) or "no sum stated"
    gone = "" if source.urls else "; it can no longer be downloaded"
    return f"{source.file} ({size}; {known}) -> {source.place}{gone}"
