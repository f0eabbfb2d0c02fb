"""Reading the files of a wandb run, even while they are being written.

wandb keeps every run, even an online one, in a file `run-ID.wandb` in the run's folder. After a header
of 7 bytes it has LevelDB's log format
(https://github.com/google/leveldb/blob/main/doc/log_format.md); each record is a protocol buffer.
wandb 0.31 no longer has a Python reader for it.

A file of our own could not replace it: that would show which rows wandb was given, not which of them
wandb's process wrote before both were killed, and those must not be logged twice.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

from avalanche_mas.logging.names import STEP

BEGIN = 7
_BLOCK = 32768
_HEAD = struct.Struct("<IHB")  # of a part of a record: checksum, length, kind
_WHOLE, _LAST = 1, 4  # kinds of parts that end a record


def run_files(folder: str | Path, run_id: str) -> list[Path]:
    """Return the files of a run in wandb's folder, oldest first, one for each process that logged.

    Args:
        folder: wandb's folder, usually named `wandb`.
        run_id: the run's id.
    """
    found = Path(folder).glob(f"*run-*-{run_id}*/run-{run_id}.wandb")
    return sorted(found, key=lambda file: file.parent.name.removeprefix("offline-"))  # by time


def run_history(*files: Path) -> dict[int, dict[str, Any]]:
    """Return the logged values as {step: {name: value}}, merging rows of the same step.

    The step is the training iteration or, in rows that are not from a logger of this library, wandb's
    own. Charts, images and histograms appear as wandb's description of them; incomplete records are
    left out. After `wandb.teardown()`, or at the end of the process that logged, all is there; where
    a parent process started wandb (`WANDB_SERVICE` is set), shortly after the parent's end at the latest.

    Args:
        *files: the files of one run, oldest first, as from `run_files`. Of two values of one name and
            step the later one is returned.
    """
    found: dict[int, dict[str, Any]] = {}
    for file in files:
        for step, row in read_rows(file)[0]:
            row.pop(STEP, None)
            found.setdefault(step, {}).update(row)
    return found


def read_rows(file: Path, begin: int = BEGIN) -> tuple[list[tuple[int, dict[str, Any]]], int]:
    """Return the rows of a run's file by step, and the position after the last complete record.

    Rows of a logger of this library have the step as `STEP` too.

    Args:
        file: the file.
        begin: the position to start from, as returned before.
    """
    rows = []
    for record, end in read_records(file, begin):
        begin = end
        if record.HasField("history"):
            row = _row(record.history)
            if "_step" in row:
                step = int(row.get(STEP, row["_step"]))
                rows.append((step, {n: v for n, v in row.items() if not n.startswith("_")}))
    return rows, begin


def read_records(file: Path, begin: int = BEGIN) -> Iterator[tuple[Any, int]]:
    """Yield the complete records of a run's file from a position on, each with its end position."""
    if not file.exists():  # wandb creates it shortly after the run has started
        return
    with file.open("rb") as stream:
        stream.seek(begin)
        data = stream.read()
    at, parts = 0, b""
    while True:
        room = _BLOCK - (begin + at) % _BLOCK
        if room < _HEAD.size:  # the end of a block is padding if a head does not fit
            at += room
        if at + _HEAD.size > len(data):
            return
        _, length, kind = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if kind == 0 or at + length > len(data):  # not written yet
            return
        parts += data[at : at + length]
        at += length
        if kind in (_WHOLE, _LAST):
            yield Record.FromString(parts), begin + at
            parts = b""


def _row(history: Any) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for item in history.item:
        name, *inner = item.nested_key or [item.key]
        value = json.loads(item.value_json)
        if inner:
            row.setdefault(name, {})[".".join(inner)] = value
        else:
            row[name] = value
    return row
