"""Runs that were killed at random moments, and whether they ended as those that were not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report.tables import Column, Table, table_of

COLUMNS: tuple[Column[Mapping[str, Any]], ...] = (
    Column("run", lambda row: row["case"]),
    Column("kills", lambda row: sum(row["kills"].values())),
    Column("killed while", lambda row: ", ".join(f"{k} {n}" for k, n in row["kills"].items())),
    Column("runs to the end", lambda row: row["ends"]),
    Column("identical", lambda row: row["identical"]),
    Column("seconds undisturbed", lambda row: f"{row['undisturbed_seconds']:.0f}"),
    Column("most seconds repeated", lambda row: f"{row['most_seconds_repeated']:.1f}"),
)


def table(found: Mapping[str, Any]) -> Table:
    """Return the kills of each run, and how many of the runs ended with the same bits.

    Args:
        found: What `benchmarks.commands.kills` recorded.
    """
    made = found["versions"]
    return table_of(
        "kills",
        "Runs killed with SIGKILL at random moments",
        COLUMNS,
        found["rows"],
        [
            f"Within a task a run was saved every {found['seconds']:g} seconds, and after the task's last "
            "step. What follows that step, the importance and the evaluation, is repeated whole.",
            f"Run with torch {made['torch']} and Python {made['python']}.",
        ],
    )
