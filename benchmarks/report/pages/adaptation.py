"""The page of adaptation: what the classes that were met lost, beside the other classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from benchmarks.report.figures.dots import Mark, dots
from benchmarks.report.figures.style import in_order, look, title
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.runs import RESULT, ReportError, Run
from benchmarks.report.numbers.summary import Stat, about_data, about_seeds
from benchmarks.report.page import Page, Picture, csv_text, pairs, with_deviations
from benchmarks.report.tables import NOTHING, Cell, Table, heading, percent, setting

TRAIN = "train"
DATA = (TRAIN, "train, then subset", "subset")
"""What Ω is measured on, in the order of the rows."""

_CAPTION = (
    "What the classes that were met lost of the first task, and the other classes: mean over"
    " seeds, the whisker one standard deviation, the strokes single runs."
)


@dataclass(frozen=True)
class Lost:
    """What one run lost of the first task, as fractions of the test images of each part.

    Attributes:
        subset: the classes that were met without labels.
        others: the other classes.
        second: accuracy on the second task.
        unlabelled: how many images were met.
    """

    subset: float
    others: float
    second: float
    unlabelled: int

    @property
    def difference(self) -> float:
        """How much less the subset lost than the other classes."""
        return self.others - self.subset


@dataclass(frozen=True)
class Row:
    """A row of the table: one method with one strength and one kind of data.

    Attributes:
        method: the method.
        strength: its λ; None for a method without one.
        importance_on: what Ω was measured on.
        lost: its runs by seed.
        spared: by seed, how much less the subset lost than with Ω on training data; empty where
            there is nothing to compare with.
    """

    method: str
    strength: float | None
    importance_on: str | None
    lost: dict[int, Lost]
    spared: dict[int, float]

    @property
    def name(self) -> str:
        """The row in words."""
        strength = "" if self.strength is None else f", λ = {self.strength:g}"
        data = "" if self.importance_on is None else f", Ω on {self.importance_on}"
        return title(self.method) + strength + data

    def values(self, of: Callable[[Lost], float]) -> list[float]:
        """One value of every run."""
        return [of(one) for one in self.lost.values()]


def page(groups: list[Group]) -> Page:
    """The page of all groups of the experiment: strengths and data that Ω was measured on.

    Raises:
        ReportError: they differ in what they have to have in common, or a run lacks its counts.
    """
    check_together(groups, {"importance_on", "strength_share"})
    rows = _rows(groups)
    return Page(
        name=groups[0].name,
        title=heading(groups),
        tables=[_table(groups[0], rows)],
        headline=1,
        as_csv=lambda: _csv(groups[0], rows),
        pictures={"lost": Picture(_CAPTION, lambda: _figure(groups[0], rows))},
        runs=[run for group in groups for run in group.everything],
    )


def _rows(groups: list[Group]) -> list[Row]:
    found: dict[tuple[str, float, str | None], list[Run]] = {}
    for group in groups:
        data, share = group.config.get("importance_on"), group.config.get("strength_share")
        for method, runs in group.runs.items():
            found[method, -(share or 0.0), data] = runs
    lost = {key: {run.seed: _lost(run) for run in runs} for key, runs in found.items()}
    methods = in_order({method for method, _, _ in found})
    data = [None, *DATA, *sorted({on for _, _, on in found if on} - {*DATA})]

    def place(key: tuple[str, float, str | None]) -> tuple[int, float, int]:
        return methods.index(key[0]), key[1], data.index(key[2])

    return [
        Row(
            method=key[0],
            strength=found[key][0].config.get("strength"),
            importance_on=key[2],
            lost=lost[key],
            spared={} if key[2] == TRAIN else _spared(lost[key], lost.get((*key[:2], TRAIN), {})),
        )
        for key in sorted(found, key=place)
    ]


def _lost(run: Run) -> Lost:
    counts = run.detail("first_task")
    try:
        samples, (before, after) = counts["samples"], counts["correct"]
        subset = {int(label) for label in counts["subset"]}
        others = set(range(len(samples))) - subset

        def drop(classes: set[int]) -> float:
            lost = sum(before[label] - after[label] for label in classes)
            return float(lost / sum(samples[label] for label in classes))

        second = float(run.accuracy[-1, 1])
        return Lost(drop(subset), drop(others), second, int(counts["unlabelled"]))
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ReportError(
            f"the first task's counts in {run.folder / RESULT} cannot be used"
            f" ({type(error).__name__}: {error}); remove the folder and run again"
        ) from error


def _spared(here: dict[int, Lost], on_train: dict[int, Lost]) -> dict[int, float]:
    common = sorted(here.keys() & on_train.keys())
    return {seed: on_train[seed].subset - here[seed].subset for seed in common}


def _table(group: Group, rows: list[Row]) -> Table:
    first, second = group.labels
    unlabelled = sorted({one.unlabelled for row in rows for one in row.lost.values()})
    met = " to ".join(map(str, dict.fromkeys((unlabelled[0], unlabelled[-1]))))
    return Table(
        name=f"{group.name}-lost",
        title=f"What the classes that were met lost, {setting(group)}",
        header=[
            "Method",
            "λ",
            "Ω on",
            "Subset lost",
            "Others lost",
            "Subset less than others",
            "Subset less than with Ω on train",
            f"{second}, %",
        ],
        rows=[_cells(row) for row in rows],
        notes=[
            f"Subset: half of the classes of {first}, chosen by the seed; after the task {met}"
            " images of them (validation data) were met without labels. Ω on them is measured on"
            " these images alone, or on the training data and then on these. Lost: accuracy on test"
            " images when the task was learned minus accuracy at the end, in points. In brackets:"
            " in how many of the runs the subset lost less. Compared with Ω on train seed by seed.",
            about_seeds([(row.name, tuple(row.lost)) for row in rows], " a row"),
            *about_data([group]),
        ],
        narrow=5,
    )


def _cells(row: Row) -> list[Cell]:
    texts = [
        title(row.method),
        NOTHING if row.strength is None else f"{row.strength:g}",
        row.importance_on or NOTHING,
        percent(Stat.of(row.values(lambda one: one.subset))),
        percent(Stat.of(row.values(lambda one: one.others))),
        _in_how_many(row.values(lambda one: one.difference)),
        _in_how_many(list(row.spared.values())),
        percent(Stat.of(row.values(lambda one: one.second))),
    ]
    return [Cell(text) for text in texts]


def _in_how_many(values: Sequence[float]) -> str:
    if not values:
        return NOTHING
    return f"{percent(Stat.of(values))} ({sum(v > 0 for v in values)}/{len(values)})"


def _csv(group: Group, rows: list[Row]) -> str:
    names = ["lost_subset", "lost_others", "less_than_others", "less_than_on_train", "second"]
    lines, stand_ins = [], " ".join(group.stand_ins)
    for row in rows:
        stats = [
            Stat.of(row.values(lambda one: one.subset)),
            Stat.of(row.values(lambda one: one.others)),
            Stat.of(row.values(lambda one: one.difference)),
            Stat.of(row.spared.values()) if row.spared else None,
            Stat.of(row.values(lambda one: one.second)),
        ]
        seeds = " ".join(map(str, row.lost))
        lines.append([stand_ins, row.method, row.strength, row.importance_on, seeds, *pairs(stats)])
    header = ["stand_ins", "method", "strength", "importance_on", "seeds", *with_deviations(names)]
    return csv_text(header, lines)


def _figure(group: Group, rows: list[Row]) -> Figure:
    """What each row lost: the subset filled, the other classes hollow."""
    methods = [row.method for row in rows]
    marks = []
    for row in rows:
        colour = look(row.method, methods).colour
        subset = [100 * value for value in row.values(lambda one: one.subset)]
        others = [100 * value for value in row.values(lambda one: one.others)]
        marks.append(
            [
                Mark(subset, colour, label="classes that were met"),
                Mark(others, colour, filled=False, label="other classes"),
            ]
        )
    names = [row.name for row in rows]
    return dots({group.labels[0]: marks}, names, "lost after the second task, points")
