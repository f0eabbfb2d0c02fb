"""The page of a comparison: methods side by side on one sequence of tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.report.figures import figures
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.published import digits_as_published
from benchmarks.report.numbers.runs import GRID
from benchmarks.report.numbers.summary import Stat, about_data, about_merging, summarise
from benchmarks.report.page import Page, Picture, csv_text, pairs, with_deviations
from benchmarks.report.pages import memory, omega, paired, tradeoff
from benchmarks.report.tables import Table, heading, setting, tables


def page(groups: list[Group]) -> Page:
    """The page of one sequence: the methods with the strengths chosen for them, and any grid of λ.

    Raises:
        ReportError: what was run with a grid differs in more than its strengths.
    """
    check_together(groups, {GRID})
    chosen = [group for group in groups if not group.in_grid]
    grid = [group for group in groups if group.in_grid]
    published = [table for group in chosen for table in digits_as_published(group)]
    shown, pictures = list[Table](), dict[str, Picture]()
    for group in chosen:
        accuracy, *others = _tables(group)
        shown += [accuracy, *published, *others]
        pictures |= figures.pictures(group) | memory.pictures(group) | omega.pictures(group)
    if grid:
        shown.append(tradeoff.table(f"{grid[0].name}-tradeoff", chosen, grid))
        pictures["tradeoff"] = tradeoff.picture(chosen, grid)
    return Page(
        name=groups[0].name,
        title=heading(groups),
        tables=shown,
        headline=1 + len(published),
        as_csv=lambda: as_csv([*chosen, *grid]),
        pictures=pictures,
        runs=[run for group in (*chosen, *grid) for run in group.everything],
    )


def _tables(group: Group) -> list[Table]:
    summaries, compared = summarise(group), paired.by_seed(group)
    accuracy, *costs = tables(group, summaries)
    if compared:
        about = about_data([group]) + about_merging(group.runs)
        costs.insert(0, paired.table(group.name, setting(group), compared, "seed", about))
    return [accuracy, *costs, *omega.tables(group)]


def as_csv(groups: Sequence[Group]) -> str:
    """All numbers of the groups, unrounded, a row a sequence, method and strength.

    Accuracies, forgetting and differences are fractions. Where there are several sequences of
    tasks, tasks are called by their place in them.
    """
    same = len({tuple(group.tasks) for group in groups}) == 1
    tasks = [task if same else str(j + 1) for j, task in enumerate(groups[0].tasks)]
    names = ["average_accuracy", "average_forgetting", "learning_accuracy"]
    names += [f"accuracy_at_end:{task}" for task in tasks]
    names += [f"forgetting:{task}" for task in tasks[:-1]]
    costs = ["training_seconds", "importance_seconds", "peak_memory_mb", "stored_mb"]
    own = ["tasks", "stand_ins", "method", "seeds", "strength", GRID]
    header = [*own, *with_deviations(names), *(f"{c}:median" for c in costs), *paired.COLUMNS]
    return csv_text(header, [line for group in groups for line in _lines(group)])


def _lines(group: Group) -> Iterator[list[object]]:
    compared = [] if group.in_grid else paired.by_seed(group)
    for s in summarise(group):
        drops: list[Stat] | list[None] = s.drops or [None] * (len(group.tasks) - 1)
        stats = [s.accuracy, s.forgetting, s.learned, *s.at_end, *drops]
        yield [
            " ".join(group.tasks),
            " ".join(group.stand_ins),
            s.method,
            " ".join(map(str, s.seeds)),
            s.strength,
            "yes" if group.in_grid else "",
            *pairs(stats),
            *s.costs,
            *paired.as_numbers(compared, s.method),
        ]
