"""Columns that several tables share; their rows have attributes of these names."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from benchmarks.report.names import title
from benchmarks.report.numbers.summary import Stat, Summary
from benchmarks.report.tables import Column, percent, signed, stats

METHOD: Column[Any] = Column("Method", lambda row: row.method, title, csv="method")
SEEDS: Column[Any] = Column("seeds", lambda row: row.seeds)
STRENGTH: Column[Any] = Column("λ", lambda row: row.strength, "{:g}".format, csv="strength")
IMPORTANCE_ON: Column[Any] = Column("Ω on", lambda row: row.importance_on, csv="importance_on")

SUMMARY: list[Column[Summary]] = [
    Column("tasks", lambda row: row.group.tasks),
    Column("stand_ins", lambda row: row.group.stand_ins),
    *(METHOD, SEEDS, STRENGTH),
]
"""The columns that identify a line of a CSV file."""

HEADLINE: list[Column[Any]] = [
    stats("Mean accuracy, %", lambda row: row.accuracy, "average_accuracy", best=max),
    stats("Forgetting, points", lambda row: row.forgetting, "average_forgetting", best=min),
    stats("Learned, %", lambda row: row.learned, "learning_accuracy", best=max),
]
"""The numbers that methods are judged by."""

COSTS: list[Column[Any]] = [
    Column(name, attrgetter(f"costs.{part}"), text, csv=f"{part}:median")
    for name, part, text in (
        ("Training, s", "training_seconds", "{:.1f}".format),
        ("Importance, s", "importance_seconds", "{:.2f}".format),
        ("Peak memory, MB", "peak_memory_mb", "{:.0f}".format),
        ("Stored, MB", "stored_mb", "{:.2f}".format),
    )
]


def at_end(
    place: int, title: str, csv: str = "", text: Callable[[Stat], str] = percent
) -> Column[Summary]:
    """Return the column of the accuracy on one task at the end."""
    return stats(title, lambda row: row.at_end[place], csv, text, max)


def drop(place: int, csv: str) -> Column[Summary]:
    """Return the column of what was lost of one task since it was learned."""
    return stats("", lambda row: row.drops[place] if row.drops else None, csv)


def first_task(summary: Summary) -> str:
    """Write the accuracy on the first of two tasks at the end, and its change since then."""
    change = f" ({signed(-summary.drops[0].mean)})" if summary.drops else ""
    return percent(summary.at_end[0]) + change
