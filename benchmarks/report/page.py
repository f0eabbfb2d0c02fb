"""What a report says of one experiment, in whatever format."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypeVar

from matplotlib.figure import Figure

from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.numbers.summary import Stat
from benchmarks.report.tables import Table

Row = TypeVar("Row")

Numbers: TypeAlias = Mapping[str, Callable[[Row], Any]]
"""Columns of a CSV file: what each has of a row, by its name; None where there is nothing."""


class CaptionedFigure(NamedTuple):
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
        title: what it is about.
        groups: the groups that all this is of.
        tables: the tables to print.
        headline: how many of them, from the first, a marked block of a document shows.
        as_csv: gives all numbers, unrounded.
        figures: the figures by name.
    """

    title: str
    groups: Sequence[Group]
    tables: list[Table]
    headline: int
    as_csv: Callable[[], str]
    figures: dict[str, CaptionedFigure]

    @property
    def name(self) -> str:
        """Short name, used for files."""
        return self.groups[0].name

    @property
    def runs(self) -> list[FinishedRun]:
        """The runs of all groups."""
        return [run for group in self.groups for run in group.everything]


def csv_of(columns: Numbers[Row], rows: Iterable[Row]) -> str:
    """Rows as CSV: numbers unrounded, several things with blanks between them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_in_csv(value(row)) for value in columns.values()] for row in rows)
    return text.getvalue()


def _in_csv(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return repr(value) if isinstance(value, float) else value


def with_deviations(
    columns: Mapping[str, Callable[[Row], Stat | None]],
) -> dict[str, Callable[[Row], float | None]]:
    """For each column of means and deviations one of the means, and after it one of the deviations."""

    def part(value: Callable[[Row], Stat | None], name: str) -> Callable[[Row], float | None]:
        return lambda row: getattr(value(row), name, None)

    return {
        f"{title}{end}": part(value, name)
        for title, value in columns.items()
        for end, name in (("", "mean"), (":deviation", "deviation"))
    }
