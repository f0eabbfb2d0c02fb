"""What came of damaged files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.report.tables import Column, Table, table_of

KINDS = {
    "refused": "refused",
    "same": "read, means the same",
    "other": "read, means something else",
    "wrong": "wrong",
}
"""The outcomes of `benchmarks.commands.fuzz`, and the titles of their columns."""

_TITLES = {"reader": "What was damaged", "mutation": "How"}


def table(by: str, found: Mapping[str, Any]) -> Table:
    """Return the number of files by outcome.

    Args:
        by: What makes a row, "reader" or "mutation".
        found: What `benchmarks.commands.fuzz` recorded.
    """
    counts: dict[str, Counter[str]] = {}
    for row in found["rows"]:
        counted = counts.setdefault(row[by], Counter())
        counted.update({kind: row.get(kind, 0) for kind in KINDS})
    total = sum(counts.values(), Counter())
    columns: list[Column[tuple[str, Counter[str]]]] = [
        Column(_TITLES[by], lambda row: row[0]),
        Column("files", lambda row: row[1].total()),
        *(Column(title, partial(_count, kind)) for kind, title in KINDS.items()),
    ]
    return table_of(
        f"fuzz-{by}",
        f"Damaged files by {by}, seed {found['seed']}",
        columns,
        [*counts.items(), ("all", total)],
        [
            "Refused: an error of the project's own names the file, or, where several files contradict "
            "each other, their folder. Wrong: any other error, a crash, more than "
            f"{found['seconds']} s or {found['megabytes']} MB, or another meaning in spite of a checksum."
        ],
    )


def _count(kind: str, row: tuple[str, Counter[str]]) -> int:
    return row[1][kind]
