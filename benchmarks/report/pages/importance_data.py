"""The page of importance-data, in the format of the paper's Table 3, above the paper's rows."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.figure import Figure

from benchmarks.report.figures.dots import Mark, dots
from benchmarks.report.names import data_in_order, in_order, look, title
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.notes import about_data, about_seeds, strengths
from benchmarks.report.numbers.runs import ReportError
from benchmarks.report.numbers.summary import Summary, summarise
from benchmarks.report.page import CaptionedFigure, Page
from benchmarks.report.pages.columns import COSTS, IMPORTANCE_ON, METHOD, SUMMARY, at_end, drop
from benchmarks.report.pages.headings import budget, heading
from benchmarks.report.pages.published import two_tasks_as_published
from benchmarks.report.tables import NOTHING, Column, Table, csv_of, percent, signed, table_of

_CAPTION = (
    "What was lost of the first task, by the data that Ω is measured on: mean over seeds, with"
    " whiskers of one standard deviation, and strokes for single runs."
)


class Measured(NamedTuple):
    """A row of the table: a method, and the data that it measured Ω on."""

    method: str
    importance_on: str | None

    @property
    def name(self) -> str:
        """The row in words."""
        data = f" on {self.importance_on}" if self.importance_on else ""
        return title(self.method) + data


class TwoTasks(NamedTuple):
    """A column of the table: a sequence of two tasks, and every row's summary on it."""

    title: str
    summaries: dict[Measured, Summary]


def page(groups: list[Group]) -> Page:
    """Return the page of all groups, with their sequences and the data that Ω was measured on.

    Raises:
        ReportError: The groups differ in a field that must agree.
    """
    check_together(groups, {"tasks", "samples", "stand_ins", "importance_on"})
    sequences = _sequences(groups)
    rows = _rows(groups[0].config["experiment"], sequences)
    tables = [_table(groups, sequences, rows), *two_tasks_as_published(groups[0])]
    lines = [one.summaries[row] for one in sequences for row in rows if row in one.summaries]
    return Page(
        title=heading(groups),
        groups=groups,
        tables=tables,
        headline=len(tables),
        as_csv=lambda: csv_of(_NUMBERS, lines),
        figures={"drop": CaptionedFigure(_CAPTION, lambda: _figure(sequences, rows))},
    )


def _sequences(groups: list[Group]) -> list[TwoTasks]:
    found: dict[tuple[str, ...], TwoTasks] = {}
    for group in groups:
        one = found.setdefault(tuple(group.tasks), TwoTasks(" → ".join(group.labels), {}))
        for summary in summarise(group):
            row = Measured(summary.method, summary.importance_on)
            if row in one.summaries:
                raise ReportError(
                    f"there are runs of {row.name} with several strengths, and the table has one "
                    "row for each; report them one by one"
                )
            one.summaries[row] = summary
    return list(found.values())


def _rows(experiment: str, sequences: list[TwoTasks]) -> list[Measured]:
    found = {row for one in sequences for row in one.summaries}
    data = data_in_order(experiment, {row.importance_on for row in found})
    methods = in_order({row.method for row in found})
    return [row for m in methods for on in data if (row := Measured(m, on)) in found]


def _table(groups: list[Group], sequences: list[TwoTasks], rows: list[Measured]) -> Table:
    seeds = [
        (f"{row.name}, {one.title}", one.summaries[row].seeds)
        for row in rows
        for one in sequences
        if row in one.summaries
    ]
    each = strengths(run for group in groups for run in group.everything)
    the_same = f"λ, the same for all sequences and for all data of Ω: {', '.join(each)}."
    return table_of(
        f"{groups[0].name}-accuracy",
        f"Accuracy after two tasks, by the data that Ω is measured on ({budget(groups)})",
        [
            METHOD,
            IMPORTANCE_ON,
            *(Column(f"{one.title}, %", one.summaries.get, _both_tasks) for one in sequences),
        ],
        rows,
        [
            "Accuracy on the first task at the end (its change since it was learned, in points) /"
            " accuracy on the second task. Ω on test data uses the same test images as the"
            " accuracies, without their labels.",
            *([the_same] if each else []),
            about_seeds(seeds, " per row and sequence"),
            *about_data(groups),
        ],
        narrow=3,
    )


def _both_tasks(summary: Summary) -> str:
    if not summary.drops:
        return NOTHING
    (drop,) = summary.drops
    spread = "" if drop.deviation is None else f" ± {100 * drop.deviation:.1f}"
    first, second = map(percent, summary.at_end)
    return f"{first} ({signed(-drop.mean)}{spread}) / {second}"


_NUMBERS: list[Column[Summary]] = [
    *SUMMARY[:3],
    IMPORTANCE_ON,
    *SUMMARY[3:],
    at_end(0, "", "accuracy_first"),
    drop(0, "forgetting_first"),
    at_end(1, "", "accuracy_second"),
    COSTS[1],
]


def _figure(sequences: list[TwoTasks], rows: list[Measured]) -> Figure:
    """Draw what was lost of the first task: a panel per sequence, a line per row of the table."""
    methods = [row.method for row in rows]

    def mark(row: Measured, summary: Summary | None) -> Mark:
        matrices = [run.accuracy for run in summary.runs] if summary else []
        lost = [100 * float(matrix[0, 0] - matrix[1, 0]) for matrix in matrices]
        return Mark(lost, look(row.method, methods).colour)

    panels = {one.title: [[mark(row, one.summaries.get(row))] for row in rows] for one in sequences}
    return dots(panels, [row.name for row in rows], "lost of the first task, points")
