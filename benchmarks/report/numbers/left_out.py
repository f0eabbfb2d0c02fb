"""Runs that stand in no table, and why."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report.numbers.runs import CONFIG, RESULT, Run
from benchmarks.report.tables import Cell, Table

ERRORS = "error.log"


def not_reported(runs: Sequence[Run], paths: Sequence[Path]) -> Table | None:
    """The runs that are for tuning or not finished, as a table; None where there are none.

    Args:
        runs: the finished runs.
        paths: what was asked for: run folders, or folders that contain some.
    """
    rows = []
    tuning = [run.folder.resolve() for run in runs if run.for_tuning]
    if tuning:
        below = os.path.commonpath(tuning)
        rows.append(["on validation data, for tuning", str(len(tuning)), below])
    begun = {file.parent for path in paths for file in path.rglob(CONFIG)}
    rows += [
        [_trouble(folder) or "not finished", "1", folder.as_posix()]
        for folder in sorted(folder for folder in begun if not (folder / RESULT).exists())
    ]
    if not rows:
        return None
    return Table(
        name="left-out",
        title="Left out",
        header=["Why", "Runs", "Folder"],
        rows=[[Cell(text) for text in row] for row in rows],
        notes=["The command that began a run also finishes it."],
        narrow=3,
    )


def _trouble(folder: Path) -> str:
    """The last line of what went wrong in a run, if anything did."""
    if not (folder / ERRORS).is_file():
        return ""
    lines = (folder / ERRORS).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"failed: {lines[-1]}" if lines else ""
