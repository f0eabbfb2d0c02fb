"""The page of a comparison: methods side by side on one sequence of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.report.figures import comparison as figures
from benchmarks.report.numbers.differences import Compared, by_seed
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.notes import about_data, about_methods
from benchmarks.report.numbers.runs import GRID
from benchmarks.report.numbers.summary import Summary, summarise
from benchmarks.report.page import CaptionedFigure, Page
from benchmarks.report.pages import accuracy, memory, omega, paired, tradeoff
from benchmarks.report.pages.columns import COSTS, HEADLINE, SUMMARY, at_end, drop
from benchmarks.report.pages.headings import heading, setting
from benchmarks.report.pages.published import digits_as_published
from benchmarks.report.tables import Column, Table, csv_of


def page(groups: list[Group]) -> Page:
    """The page of one sequence: the methods with the strengths chosen for them, and any grid of λ.

    Raises:
        ReportError: what was run with a grid differs in more than its strengths.
    """
    check_together(groups, {GRID})
    chosen = [group for group in groups if not group.in_grid]
    grid = [group for group in groups if group.in_grid]
    published = [table for group in chosen for table in digits_as_published(group)]
    shown, drawn = list[Table](), dict[str, CaptionedFigure]()
    for group in chosen:
        accuracies, *others = _tables(group)
        shown += [accuracies, *published, *others]
        drawn |= _figures(group) | memory.figures(group) | omega.figures(group)
    if grid:
        shown.append(tradeoff.table(f"{grid[0].name}-tradeoff", chosen, grid))
        drawn["tradeoff"] = tradeoff.figure(chosen, grid)
    return Page(
        title=heading(groups),
        groups=[*chosen, *grid],
        tables=shown,
        headline=1 + len(published),
        as_csv=lambda: as_csv([*chosen, *grid]),
        figures=drawn,
    )


def _tables(group: Group) -> list[Table]:
    summaries, compared = summarise(group), by_seed(group)
    accuracies, *costs = accuracy.tables(group, summaries)
    if compared:
        about = about_data([group]) + about_methods(group.runs)
        costs.insert(0, paired.table(group.name, setting(group), compared, "seed", about))
    return [accuracies, *costs, *omega.tables(group)]


def _figures(group: Group) -> dict[str, CaptionedFigure]:
    return {
        "sequence": CaptionedFigure(
            "Accuracy on each task, from when it is learned, while the others are learned: mean"
            " over seeds, the band one standard deviation.",
            lambda: figures.sequence(group),
        ),
        "matrices": CaptionedFigure(
            "Accuracy on each task (column) after learning each (row), mean over seeds.",
            lambda: figures.matrices(group),
        ),
        "outcome": CaptionedFigure(
            "Mean accuracy at the end, and forgetting: mean over seeds, the whisker one standard"
            " deviation.",
            lambda: figures.outcome(summarise(group)),
        ),
    }


class _Line(NamedTuple):
    """A line of the CSV file."""

    summary: Summary
    compared: Compared


def as_csv(groups: Sequence[Group]) -> str:
    """All numbers of the groups, unrounded, a row a sequence, method and strength.

    Accuracies, forgetting and differences are fractions. Where there are several sequences of
    tasks, tasks are called by their place in them.
    """
    same = len({tuple(group.tasks) for group in groups}) == 1
    tasks = [(k, task if same else str(k + 1)) for k, task in enumerate(groups[0].tasks)]
    grid: Column[Summary] = Column(GRID, lambda row: "yes" if row.group.in_grid else "")
    columns = [
        *SUMMARY,
        grid,
        *HEADLINE,
        *(at_end(k, "", f"accuracy_at_end:{task}") for k, task in tasks),
        *(drop(k, f"forgetting:{task}") for k, task in tasks[:-1]),
        *COSTS,
    ]
    return csv_of(
        [
            *(column.of(lambda line: line.summary) for column in columns),
            *(column.of(lambda line: line.compared) for column in paired.NUMBERS),
        ],
        [line for group in groups for line in _lines(group)],
    )


def _lines(group: Group) -> list[_Line]:
    compared = {} if group.in_grid else {one.method: one for one in by_seed(group)}
    return [
        _Line(summary, compared.get(summary.method, Compared(summary.method, None, None)))
        for summary in summarise(group)
    ]
