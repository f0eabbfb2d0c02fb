"""The page of importance-data, in the format of the paper's Table 3, with the paper's rows below."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from matplotlib.figure import Figure

from benchmarks.report.figures.dots import Mark, dots
from benchmarks.report.figures.style import in_order, look, title
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.published import two_tasks_as_published
from benchmarks.report.numbers.runs import ReportError, Run
from benchmarks.report.numbers.summary import Summary, about_data, about_seeds, strengths, summarise
from benchmarks.report.page import Page, Picture, csv_text, pairs, with_deviations
from benchmarks.report.tables import NOTHING, Cell, Table, budget, heading, percent, signed

DATA = ("train", "test", "train+test")
"""What Ω is measured on, in the order of the rows."""

_CAPTION = (
    "What was lost of the first task, by the data that Ω is measured on: mean over seeds, the"
    " whisker one standard deviation, the strokes single runs."
)


class Row(NamedTuple):
    """A row of the table."""

    method: str
    importance_on: str | None


class Column(NamedTuple):
    """A column of the table: a sequence of two tasks, and every row's runs and summary on it."""

    group: Group
    runs: dict[Row, list[Run]]
    summaries: dict[Row, Summary]

    @property
    def title(self) -> str:
        """The tasks, with a dagger where something stands in for a real data set."""
        return " → ".join(self.group.labels)


def page(groups: list[Group]) -> Page:
    """The page of all groups of the experiment: sequences and data that Ω was measured on.

    Raises:
        ReportError: they differ in what they have to have in common.
    """
    check_together(groups, {"tasks", "samples", "stand_ins", "importance_on"})
    columns = list(_columns(groups))
    rows = _rows(columns)
    return Page(
        name=groups[0].name,
        title=heading(groups),
        tables=[_table(columns, rows), two_tasks_as_published(groups[0].name)],
        headline=2,
        as_csv=lambda: _csv(columns, rows),
        pictures={"drop": Picture(_CAPTION, lambda: _figure(columns, rows))},
        runs=[run for group in groups for run in group.everything],
    )


def _columns(groups: list[Group]) -> Iterator[Column]:
    for tasks in dict.fromkeys(tuple(group.tasks) for group in groups):
        same = [group for group in groups if tuple(group.tasks) == tasks]
        column = Column(same[0], {}, {})
        for group in same:
            for summary in summarise(group):
                row = Row(summary.method, group.config.get("importance_on"))
                if row in column.runs:
                    raise ReportError(
                        f"there are runs of {_name(row)} with several strengths, and the table has one "
                        "row for each; report them one by one"
                    )
                column.runs[row] = group.runs[summary.method]
                column.summaries[row] = summary
        yield column


def _rows(columns: list[Column]) -> list[Row]:
    found = {row for column in columns for row in column.summaries}
    data = [None, *DATA, *sorted({r.importance_on for r in found if r.importance_on} - {*DATA})]
    methods = in_order({row.method for row in found})
    return [row for m in methods for on in data if (row := Row(m, on)) in found]


def _table(columns: list[Column], rows: list[Row]) -> Table:
    cells = [
        [Cell(title(row.method)), Cell(row.importance_on or NOTHING)]
        + [Cell(_cell(column.summaries.get(row))) for column in columns]
        for row in rows
    ]
    first = columns[0].group
    groups = [column.group for column in columns]
    seeds = [
        (f"{_name(row)}, {column.title}", column.summaries[row].seeds)
        for row in rows
        for column in columns
        if row in column.summaries
    ]
    return Table(
        name=f"{first.name}-accuracy",
        title=f"Accuracy after two tasks, by the data that Ω is measured on ({budget(groups)})",
        header=["Method", "Ω on", *(f"{column.title}, %" for column in columns)],
        rows=cells,
        notes=[
            "Accuracy on the first task at the end (its change since it was learned, in points) /"
            " accuracy on the second task. Ω on test data uses the test images that the accuracies"
            " are on, without their labels.",
            *_about_strengths(columns),
            about_seeds(seeds, " a row and sequence"),
            *about_data(groups),
        ],
        narrow=3,
    )


def _name(row: Row) -> str:
    return title(row.method) + (f" on {row.importance_on}" if row.importance_on else "")


def _cell(summary: Summary | None) -> str:
    if summary is None or summary.drops is None:
        return NOTHING
    drop = summary.drops[0]
    spread = "" if drop.deviation is None else f" ± {100 * drop.deviation:.1f}"
    first, second = map(percent, summary.at_end)
    return f"{first} ({signed(-drop.mean)}{spread}) / {second}"


def _about_strengths(columns: list[Column]) -> list[str]:
    runs = [run for column in columns for same_row in column.runs.values() for run in same_row]
    each = strengths(runs)
    if not each:
        return []
    return [f"λ, the same on all sequences and whatever Ω is measured on: {', '.join(each)}."]


def _csv(columns: list[Column], rows: list[Row]) -> str:
    names = ["accuracy_first", "forgetting_first", "accuracy_second"]
    lines = []
    for column in columns:
        for row in [row for row in rows if row in column.summaries]:
            s = column.summaries[row]
            drop = None if s.drops is None else s.drops[0]
            stats = [s.at_end[0], drop, s.at_end[1]]
            group, seeds = column.group, " ".join(map(str, s.seeds))
            tasks = [" ".join(group.tasks), " ".join(group.stand_ins)]
            lines.append([*tasks, *row, seeds, s.strength, *pairs(stats), s.costs[1]])
    own = ["tasks", "stand_ins", "method", "importance_on", "seeds", "strength"]
    header = [*own, *with_deviations(names), "importance_seconds:median"]
    return csv_text(header, lines)


def _figure(columns: list[Column], rows: list[Row]) -> Figure:
    """What was lost of the first task, a panel a sequence, a line a row of the table."""
    methods = [row.method for row in rows]
    panels = {
        column.title: [
            [Mark(_drops(column, row), look(row.method, methods).colour)] for row in rows
        ]
        for column in columns
    }
    return dots(panels, [_name(row) for row in rows], "lost of the first task, points")


def _drops(column: Column, row: Row) -> list[float]:
    runs = column.runs.get(row, [])
    return [100 * float(run.accuracy[0, 0] - run.accuracy[1, 0]) for run in runs]
