"""Tables as data: what stands in which cell, before any format."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from benchmarks.report.names import is_upper_bound, written
from benchmarks.report.numbers.summary import Stat, printed

NOTHING = "–"

Row = TypeVar("Row")
Other = TypeVar("Other")


class Cell(NamedTuple):
    """A cell's text, and whether it is the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: short name, used for files and labels.
        title: what it shows, and the setting.
        header: the columns' names; the first column names the rows.
        rows: the cells.
        notes: sentences that belong under the table.
        narrow: columns of the first part where it has to be cut in two to fit.
    """

    name: str
    title: str
    header: list[str]
    rows: list[list[Cell]]
    notes: list[str]
    narrow: int


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column of a table, and of the CSV file beside it.

    Attributes:
        title: its name in the header.
        value: what it has of a row; None where there is nothing.
        text: how that is written in the table.
        best: which of the methods that learn task after task is best, `max` or `min`, as rounded in
            print; None where that is not marked.
        judged: what it is best by, where that is not `value`.
        csv: its name in the CSV file, where that is another.
        spread: whether values are a `Stat`, whose deviation has a column of its own in the CSV file.
    """

    title: str
    value: Callable[[Row], Any]
    text: Callable[[Any], str] = str
    best: Callable[[Iterable[float]], float] | None = None
    judged: Callable[[Row], Stat | None] | None = None
    csv: str = ""
    spread: bool = False

    def of(self, part: Callable[[Other], Row]) -> Column[Other]:
        """The same column for rows of which the row is a part."""
        return Column(
            self.title, lambda row: self.value(part(row)), csv=self.csv, spread=self.spread
        )

    def cells(self, rows: Sequence[Row]) -> list[Cell]:
        """Its cells."""
        values, best = map(self.value, rows), self._best(rows)
        return [
            Cell(NOTHING) if value is None else Cell(self.text(value), one)
            for value, one in zip(values, best, strict=True)
        ]

    def _best(self, rows: Sequence[Any]) -> list[bool]:
        """Whether each row is best; a row that is judged is of a `method`."""
        if self.best is None:
            return [False] * len(rows)
        stats = [None if is_upper_bound(r.method) else (self.judged or self.value)(r) for r in rows]
        points = [None if stat is None else printed(stat) for stat in stats]
        competing = [one for one in points if one is not None]
        best = self.best(competing) if len(competing) > 1 else None
        return [one is not None and one == best for one in points]


def table_of(
    name: str,
    title: str,
    columns: Sequence[Column[Row]],
    rows: Iterable[Row],
    notes: Sequence[str] = (),
    narrow: int | None = None,
) -> Table:
    """A table with a row for each of `rows`, at first of all columns; see `Table` for the rest."""
    shown = list(rows)
    cells = [column.cells(shown) for column in columns]
    return Table(
        name,
        title,
        [column.title for column in columns],
        [list(row) for row in zip(*cells, strict=True)],
        list(notes),
        narrow or len(columns),
    )


def percent(stat: Stat) -> str:
    """A fraction in percent, or a difference of fractions in points, with its deviation."""
    return number(Stat(100 * stat.mean, None if stat.deviation is None else 100 * stat.deviation))


def short(stat: Stat) -> str:
    """A fraction in percent, without its deviation."""
    return number(Stat(100 * stat.mean, None))


def signed(fraction: float) -> str:
    """A difference of fractions in points, with its sign."""
    return written(100 * fraction, "+.1f")


def number(stat: Stat, digits: int = 1) -> str:
    """A number with its deviation, if it has one."""
    text = written(stat.mean, f".{digits}f")
    return text if stat.deviation is None else f"{text} ± {stat.deviation:.{digits}f}"


def stats(
    title: str,
    value: Callable[[Row], Stat | None],
    csv: str,
    text: Callable[[Stat], str] = percent,
    best: Callable[[Iterable[float]], float] | None = None,
) -> Column[Row]:
    """A column of means and deviations."""
    return Column(title, value, text, best, csv=csv, spread=True)


def csv_of(columns: Sequence[Column[Row]], rows: Iterable[Row]) -> str:
    """The columns as CSV: numbers unrounded, the parts of a list with blanks between them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [(column.csv or column.title, column.spread) for column in columns]
    writer.writerow(
        [n for name, spread in names for n in (name, f"{name}:deviation")[: 1 + spread]]
    )
    for row in rows:
        writer.writerow([part for column in columns for part in _in_csv(column, row)])
    return text.getvalue()


def _in_csv(column: Column[Row], row: Row) -> list[Any]:
    value = column.value(row)
    if column.spread:
        parts = (None, None) if value is None else (value.mean, value.deviation)
        return [repr(part) if isinstance(part, float) else part for part in parts]
    if isinstance(value, (list, tuple)):
        return [" ".join(map(str, value))]
    return [repr(value) if isinstance(value, float) else value]
