"""Runs that are in no table, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.record.folders import folders_with, last_error
from benchmarks.record.schema import CONFIG
from benchmarks.report.numbers.runs import DamagedRunError, FinishedRun
from benchmarks.report.tables import Column, Table, table_of

_COLUMNS: list[Column[tuple[str, int, str]]] = [
    Column("Why", lambda row: row[0]),
    Column("Runs", lambda row: row[1]),
    Column("Folder", lambda row: row[2]),
]


def not_reported(
    runs: Sequence[FinishedRun], paths: Sequence[Path], damaged: Sequence[DamagedRunError] = ()
) -> Table | None:
    """Return a table of the runs under the paths that are damaged, for tuning or not finished, if any."""
    rows = []
    tuning = [run.folder.resolve() for run in runs if run.for_tuning]
    if tuning:
        rows.append(("on validation data, for tuning", len(tuning), os.path.commonpath(tuning)))
    rows += [(f"damaged: {error}", 1, error.folder.as_posix()) for error in damaged]
    known = {run.folder for run in runs} | {error.folder for error in damaged}
    unfinished = folders_with(CONFIG, paths) - known
    for folder in sorted(unfinished):
        error = last_error(folder)
        rows.append((f"failed: {error}" if error else "not finished", 1, folder.as_posix()))
    if not rows:
        return None
    notes = ["The command that began a run also finishes it."]
    return table_of("left-out", "Left out", _COLUMNS, rows, notes)
