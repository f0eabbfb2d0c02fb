"""What was fetched: a small JSON and a list of sums beside the data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from avalanche_mas.streams import Task
from benchmarks.data.disk import writing
from benchmarks.data.sources import Source
from benchmarks.record.files import write_atomically, write_json

RECORD = "fetched.json"
"""In the task's folder: for each published file its address, size, sums and when it came."""

SUMS = "fetched.sha256"
"""Beside it: the SHA-256 of every installed file, paths as seen from the root.

The form is that of ``sha256sum``: ``cd ROOT && sha256sum --check FOLDER/fetched.sha256``.
"""


def record_source(
    task: Task, root: Path, source: Source, archive: Mapping[str, Any], files: Mapping[str, str]
) -> None:
    """Write down one installed source, besides those that are written down already.

    Args:
        task: whose data it is.
        root: the root.
        source: what was installed.
        archive: facts of the published file: "url", "size" and its sums.
        files: SHA-256 of the installed files by their path under the root.
    """
    folder = root / task.folder
    known = {entry["file"]: entry for entry in read_record(task, root)}
    known[source.file] = {
        "file": source.file,
        "place": source.place,
        **archive,
        "published_sums": sorted(source.sums),
        "fetched": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    listed = {**dict(read_sums(task, root)), **files}
    lines = [f"{digest}  {path}\n" for path, digest in sorted(listed.items())]
    with writing(folder / RECORD):
        write_atomically(folder / SUMS, "".join(lines))
        write_json(folder / RECORD, list(known.values()))


def read_record(task: Task, root: Path) -> list[dict[str, Any]]:
    """Return what was fetched of a task: a mapping for each published file, none if nothing was.

    Raises:
        ValueError: the record is damaged.
    """
    path = root / task.folder / RECORD
    if not path.is_file():
        return []
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return [{**entry, "file": entry["file"]} for entry in entries]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not a readable record ({error}); remove it") from error


def read_sums(task: Task, root: Path) -> Iterator[tuple[str, str]]:
    """Yield path under the root and SHA-256 of every file that was installed.

    Raises:
        ValueError: the list is damaged.
    """
    path = root / task.folder / SUMS
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        digest, space, name = line.partition("  ")
        if not space or len(digest) != 64:
            raise ValueError(f"{path}: {line!r} is not a sum and a path; remove the file")
        yield name, digest
