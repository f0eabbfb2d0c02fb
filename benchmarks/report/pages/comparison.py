"""The page of a comparison: methods side by side on one sequence of tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.report.figures import comparison as figures
from benchmarks.report.numbers.differences import OURS, REFERENCE, Compared, by_seed, twins
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.notes import (
    about_data,
    about_mean,
    about_methods,
    about_peak_memory,
    about_versions,
    notes,
)
from benchmarks.report.numbers.runs import GRID
from benchmarks.report.numbers.story import story_of
from benchmarks.report.numbers.summary import Summary, summaries_of, summarise
from benchmarks.report.page import CaptionedFigure, Page
from benchmarks.report.pages import memory, omega, paired, published, tradeoff
from benchmarks.report.pages.columns import (
    COSTS,
    HEADLINE,
    METHOD,
    STRENGTH,
    SUMMARY,
    at_end,
    drop,
    first_task,
)
from benchmarks.report.pages.headings import heading, setting
from benchmarks.report.tables import Column, Table, csv_of, short, table_of


def page(groups: list[Group]) -> Page:
    """Return the page of one sequence: the methods with their chosen strengths, and any grid of λ."""
    check_together(groups, {GRID})
    chosen = [group for group in groups if not group.in_grid]
    grid = [group for group in groups if group.in_grid]
    digits = [table for group in chosen for table in published.digits_as_published(group)]
    shown, drawn = list[Table](), dict[str, CaptionedFigure]()
    for group in chosen:
        accuracies, *others = _all_tables(group)
        shown += [accuracies, *digits, *others, *published.not_measured([group])]
        drawn |= _figures(group) | memory.figures(group) | omega.figures(group)
    if grid:
        shown.append(tradeoff.table(f"{grid[0].name}-tradeoff", chosen, grid))
        drawn["tradeoff"] = tradeoff.figure(chosen, grid)
    return Page(
        title=heading(groups),
        groups=[*chosen, *grid],
        tables=shown,
        on_request=[table for group in chosen for table in omega.tables(group)],
        headline=1 + len(digits),
        as_csv=lambda: as_csv([*chosen, *grid]),
        figures=drawn,
    )


def _all_tables(group: Group) -> list[Table]:
    summaries = summarise(group)
    accuracies, *costs = tables(group, summaries)
    lead = story_of([group], summaries, kept=memory.multiples(group))
    compared = {reference: by_seed(group, reference) for reference in (REFERENCE, OURS)}
    about = about_data([group]) + about_methods(group.runs)
    found = paired.tables(group.name, setting(group), "seed", compared, group.runs, about)
    return [replace(accuracies, lead=lead), *found, *costs]


def tables(group: Group, summaries: list[Summary]) -> list[Table]:
    """Return the tables of accuracies and of costs."""
    return [_accuracies(group, summaries), _costs(group, summaries)]


def _accuracies(group: Group, summaries: list[Summary]) -> Table:
    """Return the table of accuracies after a sequence, or after two tasks in the paper's format."""
    if len(group.tasks) == 2:
        first, second = group.labels
        after = "two tasks,"
        explained = (
            f"{first}: accuracy at the end, and in brackets its change since it was learned, in"
            " points."
        )
        columns: list[Column[Summary]] = [
            Column(
                f"{first}, % (change)", lambda s: s, first_task, max, judged=lambda s: s.at_end[0]
            ),
            at_end(1, f"{second}, %"),
            HEADLINE[0],
        ]
    else:
        after = "the sequence"
        explained = (
            "Mean accuracy: over tasks, at the end. Forgetting: mean drop since a task was learned."
            " Learned: mean accuracy when just learned. Last columns: accuracy on each task at the"
            " end, %."
        )
        tasks = (at_end(k, label, text=short) for k, label in enumerate(group.labels))
        columns = [*HEADLINE, *tasks]
    best = "Bold: the best method that learns one task after another."
    table = table_of(
        f"{group.name}-accuracy",
        f"Accuracy after {after} {setting(group)}",
        [METHOD, *columns],
        summaries,
        [f"{explained} {best}", *notes(group, summaries)],
        narrow=4,
    )
    pairs = published.on_pairs([group], measured=True)
    papers = [pairs.get(published.key_of(group, summary.method)) for summary in summaries]
    return published.beside(table, [_published(pair) if pair else [] for pair in papers], [group])


def _published(pair: published.Pair) -> list[str]:
    """Return the cells of published accuracies on two tasks, with their mean."""
    first, _, second = pair
    return [published.first_task(pair), f"{second:.2f}", f"{(first + second) / 2:.2f}"]


def _costs(group: Group, summaries: list[Summary]) -> Table:
    return table_of(
        f"{group.name}-cost",
        f"Cost of the sequence {setting(group)}",
        [METHOD, STRENGTH, *COSTS],
        summaries,
        [
            "Medians over the runs. Seconds are for the whole sequence: training, and the method's"
            " own work at the end of each task. Peak memory is that of the whole process. Stored:"
            " the tensors that the method keeps from task to task (MB: 10⁶ bytes). λ: the method's"
            " strength.",
            *about_peak_memory(group.everything),
            *about_data([group]),
            *about_versions(group.everything),
        ],
    )


def _figures(group: Group) -> dict[str, CaptionedFigure]:
    lines, everything = figures.leading(group), figures.alike(group)
    mean, band, whisker = (
        about_mean(group.everything, spread)
        for spread in ("", "the band one standard deviation", "the whisker one standard deviation")
    )
    drawn = {
        "sequence": CaptionedFigure(
            f"{_SEQUENCE}: {band}.{_WHICH if len(lines) < len(everything) else ''}",
            lambda: figures.sequence(group, lines),
        ),
        "matrices": CaptionedFigure(
            f"Accuracy on each task (column) after learning each (row), {mean}.",
            lambda: figures.matrices(group),
        ),
        "outcome": CaptionedFigure(
            f"Mean accuracy at the end, and forgetting: {whisker}.",
            lambda: figures.outcome(summarise(group)),
        ),
    }
    if len(lines) < len(everything):
        drawn["sequence-all"] = CaptionedFigure(
            f"{_SEQUENCE}: {band}.", lambda: figures.sequence(group, everything)
        )
    return drawn


_SEQUENCE = "Accuracy on each task, from when it is learned, while the others are learned"
_WHICH = (
    f" At most {figures.MOST_LINES} lines: fine-tuning, MAS, l-MAS, joint training, and the others"
    " with the highest mean accuracy at the end, each in a colour of its own."
)


def as_csv(groups: Sequence[Group]) -> str:
    """Write all numbers of the groups, unrounded, in a line per sequence, method and strength.

    Accuracies, forgetting and differences are fractions. If there are several sequences of tasks,
    tasks are named by their place.
    """
    same = len({tuple(group.tasks) for group in groups}) == 1
    tasks = [(k, task if same else str(k + 1)) for k, task in enumerate(groups[0].tasks)]
    chosen = [group for group in groups if not group.in_grid]
    both = {reference: _lookup(chosen, reference) for reference in (REFERENCE, OURS)}
    columns: list[Column[Summary]] = [
        *SUMMARY,
        Column(GRID, lambda row: "yes" if row.group.in_grid else ""),
        *HEADLINE,
        *(at_end(k, "", f"accuracy_at_end:{task}") for k, task in tasks),
        *(drop(k, f"forgetting:{task}") for k, task in tasks[:-1]),
        *COSTS,
        *paired.numbers("difference", both[REFERENCE]),
        *paired.numbers("difference_from_mas", both[OURS]),
    ]
    return csv_of(columns, summaries_of(groups))


def _lookup(groups: Sequence[Group], reference: str) -> Callable[[Summary], Compared | None]:
    """Return what finds the differences of a row; methods with the same accuracies share them."""
    found: dict[int, dict[str, Compared]] = {}
    for group in groups:
        own = {one.method: one for one in by_seed(group, reference)}
        same = {one: own[other] for one, other in twins(group).items() if other in own}
        found[id(group)] = same | own
    return lambda row: found.get(id(row.group), {}).get(row.method)
