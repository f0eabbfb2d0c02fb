"""The page of importance-data, in the format of the paper's Table 3, with the paper's rows below."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.figure import Figure

from benchmarks.report.figures.dots import Mark, dots
from benchmarks.report.names import data_in_order, in_order, look, title
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.runs import FinishedRun, ReportError
from benchmarks.report.numbers.summary import (
    Stat,
    Summary,
    about_data,
    about_seeds,
    strengths,
    summarise,
)
from benchmarks.report.page import CaptionedFigure, Numbers, Page, csv_of, with_deviations
from benchmarks.report.pages.headings import budget, heading
from benchmarks.report.pages.published import two_tasks_as_published
from benchmarks.report.tables import METHOD, NOTHING, Column, Table, percent, signed, table_of

_CAPTION = (
    "What was lost of the first task, by the data that Ω is measured on: mean over seeds, the"
    " whisker one standard deviation, the strokes single runs."
)


class Measured(NamedTuple):
    """A method, and what it measured Ω on: a row of the table."""

    method: str
    importance_on: str | None

    @property
    def name(self) -> str:
        """The row in words."""
        data = f" on {self.importance_on}" if self.importance_on else ""
        return title(self.method) + data


class TwoTasks(NamedTuple):
    """A sequence of two tasks, and every row's runs and summary on it: a column of the table."""

    group: Group
    runs: dict[Measured, list[FinishedRun]]
    summaries: dict[Measured, Summary]

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
    sequences = _sequences(groups)
    rows = _rows(groups[0].config["experiment"], sequences)
    tables = [_table(sequences, rows), *two_tasks_as_published(groups[0])]
    lines = [_Line(one, row) for one in sequences for row in rows if row in one.runs]
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
        one = found.setdefault(tuple(group.tasks), TwoTasks(group, {}, {}))
        for summary in summarise(group):
            row = Measured(summary.method, group.config.get("importance_on"))
            if row in one.runs:
                raise ReportError(
                    f"there are runs of {row.name} with several strengths, and the table has one "
                    "row for each; report them one by one"
                )
            one.runs[row] = group.runs[summary.method]
            one.summaries[row] = summary
    return list(found.values())


def _rows(experiment: str, sequences: list[TwoTasks]) -> list[Measured]:
    found = {row for one in sequences for row in one.runs}
    data = data_in_order(experiment, {row.importance_on for row in found})
    methods = in_order({row.method for row in found})
    return [row for m in methods for on in data if (row := Measured(m, on)) in found]


def _table(sequences: list[TwoTasks], rows: list[Measured]) -> Table:
    first, groups = sequences[0].group, [one.group for one in sequences]
    columns: list[Column[Measured]] = [
        METHOD,
        Column("Ω on", lambda row: row.importance_on),
        *(Column(f"{one.title}, %", one.summaries.get, _both_tasks) for one in sequences),
    ]
    seeds = [
        (f"{row.name}, {one.title}", one.summaries[row].seeds)
        for row in rows
        for one in sequences
        if row in one.summaries
    ]
    notes = [
        "Accuracy on the first task at the end (its change since it was learned, in points) /"
        " accuracy on the second task. Ω on test data uses the test images that the accuracies"
        " are on, without their labels.",
        *_about_strengths(sequences),
        about_seeds(seeds, " a row and sequence"),
        *about_data(groups),
    ]
    title = f"Accuracy after two tasks, by the data that Ω is measured on ({budget(groups)})"
    return table_of(f"{first.name}-accuracy", title, columns, rows, notes, narrow=3)


def _both_tasks(summary: Summary) -> str:
    drop = _drop(summary)
    if drop is None:
        return NOTHING
    spread = "" if drop.deviation is None else f" ± {100 * drop.deviation:.1f}"
    first, second = map(percent, summary.at_end)
    return f"{first} ({signed(-drop.mean)}{spread}) / {second}"


def _drop(summary: Summary) -> Stat | None:
    """What was lost of the first task; None where it was not evaluated when just learned."""
    return summary.drops[0] if summary.drops else None


def _about_strengths(sequences: list[TwoTasks]) -> list[str]:
    runs = [run for one in sequences for same_row in one.runs.values() for run in same_row]
    each = strengths(runs)
    if not each:
        return []
    return [f"λ, the same on all sequences and whatever Ω is measured on: {', '.join(each)}."]


class _Line(NamedTuple):
    """A line of the CSV file."""

    sequence: TwoTasks
    row: Measured

    @property
    def summary(self) -> Summary:
        return self.sequence.summaries[self.row]


_NUMBERS: Numbers[_Line] = {
    "tasks": lambda line: line.sequence.group.tasks,
    "stand_ins": lambda line: line.sequence.group.stand_ins,
    "method": lambda line: line.row.method,
    "importance_on": lambda line: line.row.importance_on,
    "seeds": lambda line: line.summary.seeds,
    "strength": lambda line: line.summary.strength,
    **with_deviations(
        {
            "accuracy_first": lambda line: line.summary.at_end[0],
            "forgetting_first": lambda line: _drop(line.summary),
            "accuracy_second": lambda line: line.summary.at_end[1],
        }
    ),
    "importance_seconds:median": lambda line: line.summary.costs.importance_seconds,
}


def _figure(sequences: list[TwoTasks], rows: list[Measured]) -> Figure:
    """What was lost of the first task, a panel a sequence, a line a row of the table."""
    methods = [row.method for row in rows]
    panels = {
        one.title: [[Mark(_drops(one, row), look(row.method, methods).colour)] for row in rows]
        for one in sequences
    }
    return dots(panels, [row.name for row in rows], "lost of the first task, points")


def _drops(sequence: TwoTasks, row: Measured) -> list[float]:
    runs = sequence.runs.get(row, [])
    return [100 * float(run.accuracy[0, 0] - run.accuracy[1, 0]) for run in runs]
