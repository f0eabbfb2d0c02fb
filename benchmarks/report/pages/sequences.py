"""The pages of several sequences: ordered pairs of tasks, and the same tasks in other orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from benchmarks.report.figures.dots import Mark, dots
from benchmarks.report.figures.drawing import brief
from benchmarks.report.figures.figures import heat_maps
from benchmarks.report.figures.style import UPPER_BOUND, in_order, look, title
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.runs import GRID
from benchmarks.report.numbers.summary import (
    Stat,
    Summary,
    about_data,
    about_merging,
    about_seeds,
    about_strengths,
    stat_of_all,
    summarise,
    where_mas_is_not_best,
)
from benchmarks.report.page import Page, Picture
from benchmarks.report.pages import comparison, paired, tradeoff
from benchmarks.report.tables import (
    NOTHING,
    Cell,
    Table,
    budget,
    column,
    heading,
    percent,
    rows_of,
    short,
    signed,
)


@dataclass(frozen=True)
class Sequences:
    """Methods on several sequences of tasks.

    Attributes:
        each: what one of the sequences is, in a word: "pair" or "order".
        groups: one for each sequence.
        summaries: by method and place of the sequence.
    """

    each: str
    groups: list[Group]
    summaries: dict[str, dict[int, Summary]]

    @property
    def name(self) -> str:
        """Short name of the page."""
        return self.groups[0].name

    @property
    def setting(self) -> str:
        """How many sequences, of which tasks, on which budget."""
        some = ", ".join(dict.fromkeys(label for group in self.groups for label in group.labels))
        return f"{len(self.groups)} {self.each}s of {some} ({budget(self.groups)})"


@dataclass(frozen=True)
class Across:
    """One method: mean and deviation over sequences of its means over seeds, as fractions."""

    method: str
    accuracy: Stat
    forgetting: Stat | None
    learned: Stat | None


def pairs_page(groups: list[Group]) -> Page:
    """The page of two-tasks: a comparison on one pair, or a table of several.

    Raises:
        ReportError: they differ in what they have to have in common.
    """
    return _page(groups, "pair")


def orders_page(groups: list[Group]) -> Page:
    """The page of the same tasks in one order, or in several.

    Raises:
        ReportError: they differ in what they have to have in common.
    """
    return _page(groups, "order")


def _page(groups: list[Group], each: str) -> Page:
    by_tasks: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        by_tasks.setdefault(tuple(group.tasks), []).append(group)
    if len(by_tasks) == 1:
        return comparison.page(groups)
    check_together(groups, {"tasks", "samples", "stand_ins", GRID})
    tables, pictures = list[Table](), dict[str, Picture]()
    chosen = [group for group in groups if not group.in_grid]
    if chosen:
        found = _sequences(chosen, each)
        tables = _tables(found)
        pictures = _pictures(found)
    for tasks, same in by_tasks.items():
        if grid := [group for group in same if group.in_grid]:
            own = [group for group in same if not group.in_grid]
            name = "-".join(("tradeoff", *tasks))
            tables.append(tradeoff.table(f"{groups[0].name}-{name}", own, grid))
            pictures[name] = tradeoff.picture(own, grid)
    return Page(
        name=groups[0].name,
        title=heading(groups),
        tables=tables,
        headline=1,
        as_csv=lambda: comparison.as_csv(groups),
        pictures=pictures,
        runs=[run for group in groups for run in group.everything],
    )


def _sequences(groups: list[Group], each: str) -> Sequences:
    found: dict[str, dict[int, Summary]] = {}
    for place, group in enumerate(groups):
        for summary in summarise(group):
            found.setdefault(summary.method, {})[place] = summary
    return Sequences(each, groups, {method: found[method] for method in in_order(found)})


def _tables(found: Sequences) -> list[Table]:
    overall, compared = _overall(found), _compared(found)
    tables = [_pairs(found), overall] if found.each == "pair" else [overall]
    if compared:
        about = about_data(found.groups) + about_merging(found.summaries)
        tables.append(paired.table(found.name, found.setting, compared, found.each, about))
    return tables


def _across(found: Sequences) -> list[Across]:
    """The methods that were run on all sequences."""
    return [
        Across(
            method,
            Stat.of(summary.accuracy.mean for summary in own.values()),
            stat_of_all([s.forgetting.mean if s.forgetting else None for s in own.values()]),
            stat_of_all([s.learned.mean if s.learned else None for s in own.values()]),
        )
        for method, own in found.summaries.items()
        if len(own) == len(found.groups)
    ]


def _compared(found: Sequences) -> list[paired.Compared]:
    """The methods beside fine-tuning, a difference a sequence: its mean over the seeds in common."""
    accuracy: dict[str, dict[int, float]] = {}
    forgetting: dict[str, dict[int, float]] = {}
    for place, group in enumerate(found.groups):
        for one in paired.by_seed(group):
            numbers = ((accuracy, one.accuracy), (forgetting, one.forgetting))
            for values, difference in numbers:
                own = values.setdefault(one.method, {})
                if difference is not None:
                    own[place] = difference.mean
    return [
        paired.Compared(
            method, paired.of_differences(own), paired.of_differences(forgetting[method])
        )
        for method, own in ((m, accuracy[m]) for m in in_order(accuracy))
    ]


def _overall(found: Sequences) -> Table:
    """Mean over the sequences, and for orders the mean accuracy after each."""
    across = _across(found)
    methods = [one.method for one in across]
    header = ["Method", "Mean accuracy, %", "Forgetting, points", "Learned, %"]
    columns = [
        column([one.accuracy for one in across], methods, max, percent),
        column([one.forgetting for one in across], methods, min, percent),
        column([one.learned for one in across], methods, max, percent),
    ]
    notes = [
        f"Mean ± standard deviation over the {len(found.groups)} {found.each}s, each a mean over"
        " its seeds. Mean accuracy: over tasks, at the end. Forgetting: mean drop from when a task"
        " was learned. Learned: mean accuracy when just learned. Bold: the best method that learns"
        " task after task."
    ]
    if found.each == "order":
        for place in range(len(found.groups)):
            header.append(f"Order {place + 1}")
            stats = [found.summaries[method][place].accuracy for method in methods]
            columns.append(column(stats, methods, max, short))
        notes += [f"Order {k + 1}: {' → '.join(g.labels)}." for k, g in enumerate(found.groups)]
    missing = [title(method) for method in found.summaries if method not in methods]
    if missing:
        notes.append(f"Not run on every {found.each}, so without a mean: {', '.join(missing)}.")
    return Table(
        name=f"{found.name}-overall",
        title=f"Mean over {found.setting}",
        header=header,
        rows=rows_of(methods, columns),
        notes=[*notes, *_about_runs(found), *where_mas_is_not_best(across)],
        narrow=4,
    )


def _about_runs(found: Sequences) -> list[str]:
    seeds = [
        (f"{title(method)}, {' → '.join(found.groups[k].labels)}", summary.seeds)
        for method, own in found.summaries.items()
        for k, summary in own.items()
    ]
    about = [about_seeds(seeds, f" a method and {found.each}"), *about_data(found.groups)]
    return about + about_merging(found.summaries) + about_strengths(found.groups)


def _pairs(found: Sequences) -> Table:
    """The format of the paper's Table 3, a row a pair: first task (change) / second task."""
    methods = list(found.summaries)
    return Table(
        name=f"{found.name}-accuracy",
        title=f"Accuracy after two tasks, {found.setting}",
        header=["Tasks", *(f"{title(method)}, %" for method in methods)],
        rows=[
            [Cell(" → ".join(group.labels)), *_pair_cells(found, place)]
            for place, group in enumerate(found.groups)
        ],
        notes=[
            "Accuracy on the first task at the end (its change since it was learned, in points) /"
            " accuracy on the second task. Bold: the best mean of both accuracies of the methods"
            " that learn one task after the other.",
            *_about_runs(found),
        ],
        narrow=3,
    )


def _pair_cells(found: Sequences, place: int) -> list[Cell]:
    own = {method: summaries.get(place) for method, summaries in found.summaries.items()}
    best = column([s.accuracy if s else None for s in own.values()], list(own), max, short)
    cells = []
    for summary, judged in zip(own.values(), best, strict=True):
        if summary is None:
            cells.append(Cell(NOTHING))
            continue
        first, second = map(percent, summary.at_end)
        change = f" ({signed(-summary.drops[0].mean)})" if summary.drops else ""
        cells.append(Cell(f"{first}{change} / {second}", judged.best))
    return cells


def _pictures(found: Sequences) -> dict[str, Picture]:
    spread = Picture(
        f"Mean accuracy at the end, and forgetting: mean over {found.each}s, the whisker one"
        f" standard deviation, the strokes single {found.each}s.",
        lambda: _spread(found),
    )
    if found.each != "pair":
        return {"spread": spread}
    caption = "What was lost of the first task (row) after the second (column), mean over seeds."
    return {"spread": spread, "lost": Picture(caption, lambda: _lost(found))}


def _spread(found: Sequences) -> Figure:
    methods = list(found.summaries)
    panels: dict[str, list[Sequence[Mark]]] = {"Mean accuracy, %": [], "Forgetting, points": []}
    for method, own in found.summaries.items():
        colour = look(method, methods).colour
        accuracy = [100 * s.accuracy.mean for s in own.values()]
        forgetting = [100 * s.forgetting.mean for s in own.values() if s.forgetting]
        panels["Mean accuracy, %"].append([Mark(accuracy, colour)])
        panels["Forgetting, points"].append([Mark(forgetting, colour)])
    return dots(panels, [brief(title(method)) for method in methods], "")


def _lost(found: Sequences) -> Figure:
    labels = {
        task: label
        for group in found.groups
        for task, label in zip(group.tasks, group.labels, strict=True)
    }
    tasks = list(labels)
    maps = {
        method: np.full((len(tasks), len(tasks)), np.nan)
        for method in found.summaries
        if method != UPPER_BOUND
    }
    for method, lost in maps.items():
        for place, summary in found.summaries[method].items():
            first, second = map(tasks.index, found.groups[place].tasks)
            lost[first, second] = 100 * summary.drops[0].mean if summary.drops else np.nan
    return heat_maps(
        maps, list(labels.values()), "lost of the first task, points", ("second task", "first task")
    )
