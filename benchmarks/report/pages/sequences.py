"""The pages of several sequences: ordered pairs of tasks, or the same tasks in several orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from avalanche_mas.metrics import Matrix
from benchmarks.report.figures.comparison import heat_maps
from benchmarks.report.figures.dots import Mark, dots
from benchmarks.report.figures.drawing import brief
from benchmarks.report.names import is_upper_bound, look, title
from benchmarks.report.numbers import notes
from benchmarks.report.numbers.differences import OURS, REFERENCE, by_sequence
from benchmarks.report.numbers.groups import Group, check_together, runs_of
from benchmarks.report.numbers.runs import GRID
from benchmarks.report.numbers.story import story_of
from benchmarks.report.numbers.summary import MethodRow, Rated, Stat, over_sequences, stat_of_all
from benchmarks.report.page import CaptionedFigure, Page
from benchmarks.report.pages import comparison, paired, published, tradeoff
from benchmarks.report.pages.columns import HEADLINE, METHOD, first_task
from benchmarks.report.pages.headings import budget, heading
from benchmarks.report.tables import Column, Table, percent, short, table_of, transposed

Each: TypeAlias = Literal["pair", "order"]
"""The word for one of several sequences."""


@dataclass(frozen=True)
class Sequences:
    """Methods on several sequences of tasks, each a `pair` or an `order`.

    There is a group for each; the rows are the methods, with a summary by place of the sequence.
    """

    each: Each
    groups: list[Group]
    rows: list[MethodRow]

    @property
    def name(self) -> str:
        """The short name of the page."""
        return self.groups[0].name

    @property
    def methods(self) -> list[str]:
        """The methods, in the order of the tables."""
        return [row.method for row in self.rows]

    @property
    def setting(self) -> str:
        """The number of sequences, their tasks and their budget."""
        some = ", ".join(dict.fromkeys(label for group in self.groups for label in group.labels))
        return f"{len(self.groups)} {self.each}s of {some} ({budget(self.groups)})"


def page(groups: list[Group], each: Each) -> Page:
    """Return the page of several sequences, or the comparison on a single one."""
    by_tasks: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        by_tasks.setdefault(tuple(group.tasks), []).append(group)
    if len(by_tasks) == 1:
        return comparison.page(groups)
    check_together(groups, {"tasks", "samples", "stand_ins", GRID})
    tables, figures = list[Table](), dict[str, CaptionedFigure]()
    if chosen := [group for group in groups if not group.in_grid]:
        found = Sequences(each, chosen, over_sequences(chosen))
        tables, figures = _tables(found), _figures(found)
    for tasks, same in by_tasks.items():
        if grid := [group for group in same if group.in_grid]:
            own = [group for group in same if not group.in_grid]
            name = "-".join(("tradeoff", *tasks))
            tables.append(tradeoff.table(f"{groups[0].name}-{name}", own, grid))
            figures[name] = tradeoff.figure(own, grid)
    return Page(
        title=heading(groups),
        groups=groups,
        tables=tables,
        headline=1,
        as_csv=lambda: comparison.as_csv(groups),
        figures=figures,
    )


def _tables(found: Sequences) -> list[Table]:
    pairs = [_pairs(found)] if found.each == "pair" else []
    first, *others = [*pairs, _overall(found)]
    lead = story_of(found.groups, _across(found), found.each)
    compared = {reference: by_sequence(found.groups, reference) for reference in (REFERENCE, OURS)}
    about = notes.about_data(found.groups) + notes.about_methods(found.methods)
    return [
        replace(first, lead=lead),
        *others,
        *paired.tables(found.name, found.setting, found.each, compared, found.methods, about),
        *(published.not_measured(found.groups) if pairs else ()),
    ]


def _across(found: Sequences) -> list[Rated]:
    """Summarise the methods that were run on all sequences."""
    complete = [
        (row.method, row.summaries.values())
        for row in found.rows
        if len(row.summaries) == len(found.groups)
    ]
    return [
        Rated(
            method,
            Stat.of(summary.accuracy.mean for summary in own),
            stat_of_all([s.forgetting.mean if s.forgetting else None for s in own]),
            stat_of_all([s.learned.mean if s.learned else None for s in own]),
        )
        for method, own in complete
    ]


def _overall(found: Sequences) -> Table:
    """Return the table of means over sequences, and for orders the mean accuracy after each."""
    across = _across(found)
    columns: list[Column[Rated]] = [METHOD, *HEADLINE]
    said = [
        f"Mean ± standard deviation over the {len(found.groups)} {found.each}s, each a mean over"
        " its seeds. Mean accuracy: over tasks, at the end. Forgetting: mean drop since a task was"
        " learned. Learned: mean accuracy when just learned. Bold: the best method that learns one"
        " task after another."
    ]
    if found.each == "order":
        for place, group in enumerate(found.groups):
            columns.append(Column(f"Order {place + 1}", _accuracy_after(found, place), short, max))
            said.append(f"Order {place + 1}: {' → '.join(group.labels)}.")
    averaged = {one.method for one in across}
    missing = [title(method) for method in found.methods if method not in averaged]
    if missing:
        said.append(f"Not run on every {found.each}, so without a mean: {', '.join(missing)}.")
    from_mas = by_sequence(found.groups, OURS)
    said += [*_about_runs(found), *notes.against_mas(from_mas, found.each)]
    heading = f"Mean over {found.setting}"
    return table_of(f"{found.name}-overall", heading, columns, across, said, narrow=4)


def _accuracy_after(found: Sequences, place: int) -> Callable[[Rated], Stat]:
    own = {
        row.method: row.summaries[place].accuracy for row in found.rows if place in row.summaries
    }
    return lambda row: own[row.method]


def _about_runs(found: Sequences) -> list[str]:
    seeds = [
        (f"{title(row.method)}, {' → '.join(found.groups[k].labels)}", summary.seeds)
        for row in found.rows
        for k, summary in row.summaries.items()
    ]
    about = [
        notes.about_seeds(seeds, f" per method and {found.each}"),
        *notes.about_data(found.groups),
        *notes.about_chance(found.groups),
    ]
    about += notes.about_methods(found.methods) + notes.about_strengths(found.groups)
    return about + notes.about_versions(runs_of(found.groups))


def _on_pair(place: int, group: Group) -> Column[MethodRow]:
    return Column(
        " → ".join(group.labels),
        lambda row: row.summaries.get(place),
        lambda summary: f"{first_task(summary)} / {percent(summary.at_end[1])}",
        max,
        judged=lambda row: row.summaries[place].accuracy if place in row.summaries else None,
    )


def _pairs(found: Sequences) -> Table:
    """Return the table in the format of the paper's Table 3: first task (change) / second task."""
    methods: Column[MethodRow] = Column("Tasks", lambda row: f"{title(row.method)}, %")
    pairs = [_on_pair(place, group) for place, group in enumerate(found.groups)]
    said = [
        "Accuracy on the first task at the end (its change since it was learned, in points) /"
        " accuracy on the second task. Bold: the best mean of both accuracies of the methods"
        " that learn one task after the other.",
        *_about_runs(found),
    ]
    heading = f"Accuracy after two tasks, {found.setting}"
    name = f"{found.name}-accuracy"
    table = transposed(table_of(name, heading, [methods, *pairs], found.rows, said, narrow=3))
    papers = published.on_pairs(found.groups, measured=True)
    rows = [[papers.get(published.key_of(g, m)) for m in found.methods] for g in found.groups]
    return published.beside(table, [list(map(published.both_tasks, r)) for r in rows], found.groups)


def _figures(found: Sequences) -> dict[str, CaptionedFigure]:
    spread = CaptionedFigure(
        f"Mean accuracy at the end, and forgetting: mean over {found.each}s, the whisker one"
        f" standard deviation, the strokes single {found.each}s.",
        lambda: _spread(found),
    )
    if found.each != "pair":
        return {"spread": spread}
    caption = "What was lost of the first task (row) after the second (column), mean over seeds."
    return {"spread": spread, "lost": CaptionedFigure(caption, lambda: _lost(found))}


def _spread(found: Sequences) -> Figure:
    methods = found.methods

    def mark(row: MethodRow, part: str) -> Mark:
        stats = [getattr(summary, part) for summary in row.summaries.values()]
        values = [100 * stat.mean for stat in stats if stat]
        return Mark(values, look(row.method, methods).colour)

    def marks(part: str) -> list[list[Mark]]:
        return [[mark(row, part)] for row in found.rows]

    panels = {"Mean accuracy": marks("accuracy"), "Forgetting": marks("forgetting")}
    return dots(panels, [brief(title(method)) for method in methods], ["%", "points"])


def _lost(found: Sequences) -> Figure:
    labels = {
        task: label
        for group in found.groups
        for task, label in zip(group.tasks, group.labels, strict=True)
    }
    tasks = list(labels)
    maps: dict[str, Matrix] = {}
    for row in found.rows:
        if is_upper_bound(row.method):
            continue
        maps[row.method] = lost = np.full((len(tasks), len(tasks)), np.nan)
        for place, summary in row.summaries.items():
            first, second = map(tasks.index, found.groups[place].tasks)
            lost[first, second] = 100 * summary.drops[0].mean if summary.drops else np.nan
    return heat_maps(
        maps, list(labels.values()), "lost of the first task, points", ("second task", "first task")
    )
