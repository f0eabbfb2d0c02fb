"""The page of adaptation: what the classes that were met lost, beside the other classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from benchmarks.record.schema import RESULT
from benchmarks.report.figures.dots import Mark, dots
from benchmarks.report.names import data_in_order, in_order, look, title
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.notes import about_data, about_seeds
from benchmarks.report.numbers.runs import FinishedRun, usable
from benchmarks.report.numbers.summary import Stat, Summary, summarise
from benchmarks.report.page import CaptionedFigure, Page
from benchmarks.report.pages.columns import IMPORTANCE_ON, METHOD, SEEDS, STRENGTH, SUMMARY
from benchmarks.report.pages.headings import heading, setting
from benchmarks.report.tables import Column, Table, csv_of, percent, stats, table_of

TRAIN = "train"
"""The data that the others are compared with."""

_CAPTION = (
    "What the classes that were met lost of the first task, and the other classes: mean over"
    " seeds, the whisker one standard deviation, the strokes single runs."
)


class Lost(NamedTuple):
    """What one run lost of the first task, as fractions of the test images of each part.

    Attributes:
        subset: the classes that were met without labels.
        others: the other classes.
        unlabelled: how many images were met.
    """

    subset: float
    others: float
    unlabelled: int


@dataclass(frozen=True)
class Less(Stat):
    """How much less was lost, and in how many of how many runs it was less."""

    counted: str

    @classmethod
    def over(cls, values: list[float]) -> Less | None:
        """The summary of the values; None of none."""
        if not values:
            return None
        return cls(**vars(Stat.of(values)), counted=f"{sum(v > 0 for v in values)}/{len(values)}")

    def __str__(self) -> str:
        return f"{percent(self)} ({self.counted})"


@dataclass(frozen=True)
class Adapted(Summary):
    """One method with one strength and one kind of data to measure Ω on: a row of the table.

    Attributes:
        lost: what its runs lost, by seed.
        on_train: the same with Ω on training data; empty where that is what it is measured on.
    """

    lost: dict[int, Lost]
    on_train: dict[int, Lost]

    @property
    def name(self) -> str:
        """The row in words."""
        strength = "" if self.strength is None else f", λ = {self.strength:g}"
        data = "" if self.importance_on is None else f", Ω on {self.importance_on}"
        return title(self.method) + strength + data

    def values(self, part: str) -> list[float]:
        """One attribute of every run."""
        return [getattr(one, part) for one in self.lost.values()]

    @property
    def less_than_others(self) -> Less | None:
        """How much less the subset lost than the other classes, run by run."""
        return Less.over([one.others - one.subset for one in self.lost.values()])

    @property
    def less_than_on_train(self) -> Less | None:
        """How much less the subset lost than with Ω on training data, seed by seed."""
        common = sorted(self.lost.keys() & self.on_train.keys())
        return Less.over([self.on_train[seed].subset - self.lost[seed].subset for seed in common])


def page(groups: list[Group]) -> Page:
    """The page of all groups of the experiment: strengths and data that Ω was measured on.

    Raises:
        ReportError: they differ in what they have to have in common, or a run lacks its counts.
    """
    check_together(groups, {"importance_on", "strength_share"})
    rows, columns = _rows(groups), _columns(groups[0])
    numbers = [SUMMARY[1], METHOD, STRENGTH, IMPORTANCE_ON, SEEDS, *columns]
    return Page(
        title=heading(groups),
        groups=groups,
        tables=[_table(groups[0], columns, rows)],
        headline=1,
        as_csv=lambda: csv_of(numbers, rows),
        figures={"lost": CaptionedFigure(_CAPTION, lambda: _figure(groups[0], rows))},
    )


def _rows(groups: list[Group]) -> list[Adapted]:
    """The rows: by method, from the largest share of the strength, in the order of the data."""
    found = [summary for group in groups for summary in summarise(group)]
    methods = in_order({summary.method for summary in found})
    data = data_in_order(groups[0].config["experiment"], {one.importance_on for one in found})

    def key(one: Summary, on: str | None) -> tuple[str, float, str | None]:
        return one.method, -(one.group.config.get("strength_share") or 0.0), on

    def place(one: Summary) -> tuple[int, float, int]:
        method, share, on = key(one, one.importance_on)
        return methods.index(method), share, data.index(on)

    lost = {key(one, one.importance_on): {r.seed: _lost(r) for r in one.runs} for one in found}
    return [
        Adapted(
            **vars(one),
            lost=lost[key(one, one.importance_on)],
            on_train={} if one.importance_on == TRAIN else lost.get(key(one, TRAIN), {}),
        )
        for one in sorted(found, key=place)
    ]


def _lost(run: FinishedRun) -> Lost:
    counts = run.detail("first_task")
    with usable(f"the first task's counts in {run.folder / RESULT}"):
        samples, (before, after) = counts["samples"], counts["correct"]
        subset = {int(label) for label in counts["subset"]}
        others = set(range(len(samples))) - subset

        def drop(classes: set[int]) -> float:
            lost = sum(before[label] - after[label] for label in classes)
            return float(lost / sum(samples[label] for label in classes))

        return Lost(drop(subset), drop(others), int(counts["unlabelled"]))


def _columns(group: Group) -> list[Column[Any]]:
    """The columns of numbers."""
    train = "less_than_on_train"
    return [
        stats("Subset lost", lambda row: Stat.of(row.values("subset")), "lost_subset"),
        stats("Others lost", lambda row: Stat.of(row.values("others")), "lost_others"),
        stats("Subset less than others", lambda row: row.less_than_others, "less_than_others", str),
        stats("Subset less than with Ω on train", lambda row: row.less_than_on_train, train, str),
        stats(f"{group.labels[1]}, %", lambda row: row.at_end[1], "second"),
    ]


def _table(group: Group, columns: list[Column[Any]], rows: list[Adapted]) -> Table:
    unlabelled = sorted({one.unlabelled for row in rows for one in row.lost.values()})
    met = " to ".join(map(str, dict.fromkeys((unlabelled[0], unlabelled[-1]))))
    return table_of(
        f"{group.name}-lost",
        f"What the classes that were met lost, {setting(group)}",
        [METHOD, STRENGTH, IMPORTANCE_ON, *columns],
        rows,
        [
            f"Subset: half of the classes of {group.labels[0]}, chosen by the seed; after the task"
            f" {met} images of them (validation data) were met without labels. Ω on them is measured"
            " on these images alone, or on the training data and then on these. Lost: accuracy on"
            " test images when the task was learned minus accuracy at the end, in points. In"
            " brackets: in how many of the runs the subset lost less. Compared with Ω on train seed"
            " by seed.",
            about_seeds([(row.name, row.seeds) for row in rows], " a row"),
            *about_data([group]),
        ],
        narrow=5,
    )


def _figure(group: Group, rows: list[Adapted]) -> Figure:
    """What each row lost: the subset filled, the other classes hollow."""
    methods = [row.method for row in rows]
    marks = []
    for row in rows:
        colour = look(row.method, methods).colour
        subset = [100 * value for value in row.values("subset")]
        others = [100 * value for value in row.values("others")]
        marks.append(
            [
                Mark(subset, colour, label="classes that were met"),
                Mark(others, colour, filled=False, label="other classes"),
            ]
        )
    names = [row.name for row in rows]
    return dots({group.labels[0]: marks}, names, "lost after the second task, points")
