"""Tables as data, independent of the format."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from benchmarks.report.names import is_upper_bound, written
from benchmarks.report.numbers.summary import Stat, printed

NOTHING = "–"

RowT = TypeVar("RowT")


class Cell(NamedTuple):
    """The text of a cell, and whether it is the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """One table, with a short name for files and labels, and sentences below it.

    The first column names the rows. `narrow` is the number of columns in the first part if the
    table must be split in two to fit. `lead` is what a reader must know first, above the title.
    """

    name: str
    title: str
    header: list[str]
    rows: list[list[Cell]]
    notes: list[str]
    narrow: int
    lead: str = ""


@dataclass(frozen=True)
class Column(Generic[RowT]):
    """A column of a table, and of the CSV file beside it.

    Attributes:
        title: The name in the header.
        value: Returns the value for a row, or None if there is none.
        text: Formats a value for the table.
        best: `max` or `min` to mark the best of the methods that learn task after task, as rounded in
            print; None to mark none.
        judged: Returns the number to judge by, if that is not `value`.
        csv: The name in the CSV file, if that is another.
        spread: Whether values are a `Stat`, whose deviation has its own column in the CSV file.
    """

    title: str
    value: Callable[[RowT], Any]
    text: Callable[[Any], str] = str
    best: Callable[[Iterable[float]], float] | None = None
    judged: Callable[[RowT], Stat | None] | None = None
    csv: str = ""
    spread: bool = False

    def cells(self, rows: Sequence[RowT]) -> list[Cell]:
        """Return the cells of the column."""
        values, best = map(self.value, rows), self._best(rows)
        return [
            Cell(NOTHING) if value is None else Cell(self.text(value), one)
            for value, one in zip(values, best, strict=True)
        ]

    def _best(self, rows: Sequence[Any]) -> list[bool]:
        """Return whether each row is best; a row that is judged has a `method`."""
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
    columns: Sequence[Column[RowT]],
    rows: Iterable[RowT],
    notes: Sequence[str] = (),
    narrow: int | None = None,
) -> Table:
    """Make a table from columns and rows; by default it is not split. See `Table` for the rest."""
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


def once(tables: Sequence[Table]) -> list[Table]:
    """Return the tables with every note only below the first one that has it."""
    said = set[str]()
    found = []
    for table in tables:
        found.append(replace(table, notes=[note for note in table.notes if note not in said]))
        said.update(table.notes)
    return found


def transposed(table: Table) -> Table:
    """Return the table with rows and columns exchanged; its first column becomes the header."""
    lines = [[Cell(title) for title in table.header], *table.rows]
    first, *others = map(list, zip(*lines, strict=True))
    return replace(table, header=[cell.text for cell in first], rows=others)


def percent(stat: Stat) -> str:
    """Format a fraction in percent, or a difference of fractions in points, with its deviation."""
    return number(Stat(100 * stat.mean, None if stat.deviation is None else 100 * stat.deviation))


def short(stat: Stat) -> str:
    """Format a fraction in percent, without its deviation."""
    return number(Stat(100 * stat.mean, None))


def signed(fraction: float) -> str:
    """Format a difference of fractions in points, with its sign."""
    return written(100 * fraction, "+.1f")


def number(stat: Stat, digits: int = 1) -> str:
    """Format a number with its deviation, if it has one."""
    text = written(stat.mean, f".{digits}f")
    return text if stat.deviation is None else f"{text} ± {stat.deviation:.{digits}f}"


def stats(
    title: str,
    value: Callable[[RowT], Stat | None],
    csv: str,
    text: Callable[[Stat], str] = percent,
    best: Callable[[Iterable[float]], float] | None = None,
) -> Column[RowT]:
    """Make a column of means and deviations."""
    return Column(title, value, text, best, csv=csv, spread=True)


def csv_of(columns: Sequence[Column[RowT]], rows: Iterable[RowT]) -> str:
    """Write the columns as CSV: numbers unrounded, the parts of a list separated by blanks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [(column.csv or column.title, column.spread) for column in columns]
    writer.writerow(
        [n for name, spread in names for n in (name, f"{name}:deviation")[: 1 + spread]]
    )
    for row in rows:
        writer.writerow([part for column in columns for part in _in_csv(column, row)])
    return text.getvalue()


def _in_csv(column: Column[RowT], row: RowT) -> list[Any]:
    value = column.value(row)
    if column.spread:
        parts = (None, None) if value is None else (value.mean, value.deviation)
        return [repr(part) if isinstance(part, float) else part for part in parts]
    if isinstance(value, (list, tuple)):
        return [" ".join(map(str, value))]
    return [repr(value) if isinstance(value, float) else value]
