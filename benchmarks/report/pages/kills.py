"""Runs killed at random moments, and whether they ended like undisturbed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report.tables import Column, Table, table_of

COLUMNS: tuple[Column[Mapping[str, Any]], ...] = (
    Column("run", lambda row: row["case"]),
    Column("kills", lambda row: sum(row["kills"].values())),
    Column("killed while", lambda row: ", ".join(f"{k} {n}" for k, n in row["kills"].items())),
    Column("finished runs", lambda row: row["ends"]),
    Column("identical to the bit", lambda row: row["identical"]),
    Column("seconds undisturbed", lambda row: f"{row['undisturbed_seconds']:.0f}"),
    Column("most seconds repeated", lambda row: f"{row['most_seconds_repeated']:.1f}"),
)


def table(found: Mapping[str, Any]) -> Table:
    """Return, for each kind of run, the kills and how many runs ended with the same bits.

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
            f"Runs were saved every {found['seconds']:g} seconds within a task, and after its last step. "
            "The importance pass and the evaluation that follow are repeated from their beginning.",
            f"Run with torch {made['torch']} and Python {made['python']}.",
        ],
    )
