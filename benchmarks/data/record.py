"""The record of what was fetched: a small JSON file and a list of checksums next to the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from avalanche_mas.streams import Task
from benchmarks.data.disk import writing
from benchmarks.data.sources import Source
from benchmarks.record.files import read_json, write_atomically, write_json

RECORD = "fetched.json"
"""In the task's folder: address, size, checksums and date of each published file."""

SUMS = "fetched.sha256"
"""Next to it: the SHA-256 of every installed file, with paths relative to the root.

The format is that of ``sha256sum``: ``cd ROOT && sha256sum --check FOLDER/fetched.sha256``.
"""


def record_source(
    task: Task, root: Path, source: Source, archive: Mapping[str, Any], files: Mapping[str, str]
) -> None:
    """Add one installed source to the record.

    `archive` has the published file's "url", "size" and checksums; `files` the SHA-256 of the
    installed files by their path under the root.
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
    """Return the record of a task: a mapping for each published file that was fetched.

    Raises:
        ValueError: the record is damaged.
    """
    path = root / task.folder / RECORD
    if not path.exists():
        return []
    try:
        return [
            {**entry, "file": entry["file"], "fetched": str(entry["fetched"])}
            for entry in read_json(path)
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not a readable record ({error}); remove it") from error


def read_sums(task: Task, root: Path) -> Iterator[tuple[str, str]]:
    """Yield the path under the root and the SHA-256 of every installed file.

    Raises:
        ValueError: the list is damaged.
    """
    path = root / task.folder / SUMS
    if not path.exists():
        return
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a list of checksums ({error}); remove it") from error
    for line in text.splitlines():
        digest, space, name = line.partition("  ")
        if not space or len(digest) != 64:
            raise ValueError(f"{path}: {line[:80]!r} is not a checksum and a path; remove the file")
        yield name, digest
