"""The test suite on every supported Python, and with the oldest dependencies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.report.tables import Column, Table, table_of

_SHOWN = ("torch", "torchvision", "avalanche-lib", "numpy", "wandb")


def table(found: Mapping[str, Any]) -> Table:
    """Return a row for each suite: when it ran, with which versions, and what came of it.

    Args:
        found: What `.ci/suites.py` recorded.
    """
    columns: list[Column[tuple[str, Mapping[str, Any]]]] = [
        Column("Python", partial(_version, "python")),
        Column("Dependencies", lambda row: "oldest" if row[0] == "oldest" else "pinned"),
        *(Column(name, partial(_version, name)) for name in _SHOWN),
        Column("Date", lambda row: row[1]["date"]),
        Column("Passed", lambda row: row[1]["passed"]),
        Column("Skipped", lambda row: row[1]["skipped"]),
        Column("Failed", lambda row: row[1]["failed"]),
    ]
    return table_of(
        "suites",
        "The test suite, by Python",
        columns,
        found.items(),
        [
            "Pinned: the versions of `constraints.txt`. Oldest: the oldest that the package allows. "
            "Skipped tests need a GPU, or data or packages that were not there."
        ],
    )


def _version(name: str, row: tuple[str, Mapping[str, Any]]) -> str:
    return str(row[1]["versions"][name])
