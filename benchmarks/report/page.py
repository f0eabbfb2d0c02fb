"""What a report says of one experiment, in whatever format."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from benchmarks.report.summary import Stat
from benchmarks.report.tables import Table


@dataclass(frozen=True)
class Page:
    """The tables, numbers and figures of one experiment.

    Attributes:
        name: short name, used for files.
        tables: the tables to print.
        headline: how many of them, from the first, a marked block of a document shows.
        as_csv: gives all numbers, unrounded.
        figures: draws the figures, by name.
    """

    name: str
    tables: list[Table]
    headline: int
    as_csv: Callable[[], str]
    figures: Callable[[], dict[str, Figure]]


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV: numbers unrounded, nothing for None."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([repr(v) if isinstance(v, float) else v for v in row])
    return text.getvalue()


def with_deviations(names: Iterable[str]) -> list[str]:
    """Each column's name, followed by that of its deviation."""
    return [column for name in names for column in (name, f"{name}:deviation")]


def pairs(stats: Iterable[Stat | None]) -> list[float | None]:
    """Each mean, followed by its deviation."""
    return [v for s in stats for v in ((None, None) if s is None else (s.mean, s.deviation))]
