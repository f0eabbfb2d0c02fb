"""The page of importance-data, in the format of the paper's Table 3, with the paper's rows."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmarks.report.figures.dots import SPREAD, Mark, dots
from benchmarks.report.names import look
from benchmarks.report.numbers.groups import Group, check_together, runs_of
from benchmarks.report.numbers.notes import (
    about_chance,
    about_data,
    about_mean,
    about_seeds,
    about_versions,
    strengths,
)
from benchmarks.report.numbers.summary import MethodRow, Summary, over_sequences
from benchmarks.report.page import CaptionedFigure, Page
from benchmarks.report.pages.columns import COSTS, IMPORTANCE_ON, METHOD, SUMMARY, at_end, drop
from benchmarks.report.pages.headings import budget, heading
from benchmarks.report.pages.published import beside, both_tasks, not_measured, on_pairs
from benchmarks.report.tables import NOTHING, Column, Table, csv_of, percent, signed, table_of

_CAPTION = "What was lost of the first task, by the data that Ω is measured on"


def page(groups: list[Group]) -> Page:
    """Return the page of all groups, with their sequences and the data that Ω was measured on."""
    check_together(groups, {"tasks", "samples", "stand_ins", "importance_on"})
    titles: dict[tuple[str, ...], str] = {}
    for group in groups:
        titles.setdefault(tuple(group.tasks), " → ".join(group.labels))
    sequences, rows = list(titles.values()), over_sequences(groups)
    published = on_pairs(groups, measured=True)

    def papers(row: MethodRow) -> list[str | None]:
        own = ((tasks, row.method, row.importance_on or "") for tasks in titles)
        cells = [both_tasks(published.get(key)) for key in own]
        return [row.importance_on, *cells] if any(cells) else []

    table = beside(_table(groups, sequences, rows), list(map(papers, rows)), groups)
    tables = [table, *not_measured(groups)]
    mean = about_mean(runs_of(groups), SPREAD)
    places = range(len(sequences))
    lines = [row.summaries[k] for k in places for row in rows if k in row.summaries]
    return Page(
        title=heading(groups),
        groups=groups,
        tables=tables,
        headline=len(tables),
        as_csv=lambda: csv_of(_NUMBERS, lines),
        figures={"drop": CaptionedFigure(f"{_CAPTION}: {mean}.", lambda: _figure(sequences, rows))},
    )


def _table(groups: list[Group], sequences: list[str], rows: list[MethodRow]) -> Table:
    seeds = [
        (f"{row.name}, {sequences[k]}", row.summaries[k].seeds)
        for row in rows
        for k in sorted(row.summaries)
    ]
    each = strengths(runs_of(groups))
    the_same = f"λ, the same for all sequences and for all data of Ω: {', '.join(each)}."
    return table_of(
        f"{groups[0].name}-accuracy",
        f"Accuracy after two tasks, by the data that Ω is measured on ({budget(groups)})",
        [
            METHOD,
            IMPORTANCE_ON,
            *(_on_sequence(k, sequence) for k, sequence in enumerate(sequences)),
        ],
        rows,
        [
            "Accuracy on the first task at the end (its change since it was learned, in points) /"
            " accuracy on the second task. Ω on test data uses the same test images as the"
            " accuracies, without their labels.",
            *([the_same] if each else []),
            about_seeds(seeds, " per row and sequence"),
            *about_data(groups),
            *about_chance(groups),
            *about_versions(runs_of(groups)),
        ],
        narrow=3,
    )


def _on_sequence(place: int, sequence: str) -> Column[MethodRow]:
    return Column(f"{sequence}, %", lambda row: row.summaries.get(place), _both_tasks)


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


def _figure(sequences: list[str], rows: list[MethodRow]) -> Figure:
    """Draw what was lost of the first task: a panel per sequence, a line per row of the table."""
    methods = [row.method for row in rows]

    def mark(row: MethodRow, place: int) -> Mark:
        runs = row.summaries[place].runs if place in row.summaries else []
        lost = [100 * float(run.accuracy[0, 0] - run.accuracy[1, 0]) for run in runs]
        return Mark(lost, look(row.method, methods).colour)

    panels = {one: [[mark(row, k)] for row in rows] for k, one in enumerate(sequences)}
    return dots(panels, [row.name for row in rows], "lost of the first task, points")
