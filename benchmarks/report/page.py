"""What a report says of one experiment, in whatever format."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.figure import Figure

from benchmarks.report.numbers.runs import Run
from benchmarks.report.numbers.summary import Stat
from benchmarks.report.tables import Table


class Picture(NamedTuple):
    """A figure to be drawn.

    Attributes:
        caption: what it shows.
        draw: draws it.
    """

    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Page:
    """The tables, numbers and figures of one experiment.

    Attributes:
        name: short name, used for files.
        title: what it is about.
        tables: the tables to print.
        headline: how many of them, from the first, a marked block of a document shows.
        as_csv: gives all numbers, unrounded.
        pictures: the figures by name.
        runs: the runs that all this is of.
    """

    name: str
    title: str
    tables: list[Table]
    headline: int
    as_csv: Callable[[], str]
    pictures: dict[str, Picture]
    runs: list[Run]


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
