"""The page of adaptation: what the classes that were met lost, beside the other classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from matplotlib.figure import Figure

from benchmarks.record.folders import RESULT
from benchmarks.report.figures.dots import Mark, dots
from benchmarks.report.names import data_in_order, in_order, look, title
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.notes import about_data, about_seeds
from benchmarks.report.numbers.runs import FinishedRun, usable
from benchmarks.report.numbers.summary import Stat
from benchmarks.report.page import CaptionedFigure, Page
from benchmarks.report.pages.columns import IMPORTANCE_ON, METHOD, SEEDS, STRENGTH
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
        second: accuracy on the second task.
        unlabelled: how many images were met.
    """

    subset: float
    others: float
    second: float
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
class Adapted:
    """One method with one strength and one kind of data to measure Ω on: a row of the table.

    Attributes:
        method: the method.
        strength: its λ; None for a method without one.
        importance_on: what Ω was measured on.
        lost: its runs by seed.
        on_train: by seed the runs with Ω on training data, if these are others.
    """

    method: str
    strength: float | None
    importance_on: str | None
    lost: dict[int, Lost]
    on_train: dict[int, Lost]

    @property
    def name(self) -> str:
        """The row in words."""
        strength = "" if self.strength is None else f", λ = {self.strength:g}"
        data = "" if self.importance_on is None else f", Ω on {self.importance_on}"
        return title(self.method) + strength + data

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its runs."""
        return tuple(self.lost)

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
    stand_ins: Column[Adapted] = Column("stand_ins", lambda _: groups[0].stand_ins)
    numbers = [stand_ins, METHOD, STRENGTH, IMPORTANCE_ON, SEEDS, *columns]
    return Page(
        title=heading(groups),
        groups=groups,
        tables=[_table(groups[0], columns, rows)],
        headline=1,
        as_csv=lambda: csv_of(numbers, rows),
        figures={"lost": CaptionedFigure(_CAPTION, lambda: _figure(groups[0], rows))},
    )


_Key: TypeAlias = tuple[str, float, str | None]
"""A method, less its share of the strength, and what Ω was measured on."""


def _rows(groups: list[Group]) -> list[Adapted]:
    found: dict[_Key, list[FinishedRun]] = {}
    for group in groups:
        data, share = group.config.get("importance_on"), group.config.get("strength_share")
        for method, runs in group.runs.items():
            found[method, -(share or 0.0), data] = runs
    lost = {key: {run.seed: _lost(run) for run in runs} for key, runs in found.items()}
    methods = in_order({method for method, _, _ in found})
    data = data_in_order(groups[0].config["experiment"], {on for _, _, on in found})

    def place(key: _Key) -> tuple[int, float, int]:
        return methods.index(key[0]), key[1], data.index(key[2])

    return [
        Adapted(
            method=key[0],
            strength=found[key][0].config.get("strength"),
            importance_on=key[2],
            lost=lost[key],
            on_train={} if key[2] == TRAIN else lost.get((*key[:2], TRAIN), {}),
        )
        for key in sorted(found, key=place)
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

        second = float(run.accuracy[-1, 1])
        return Lost(drop(subset), drop(others), second, int(counts["unlabelled"]))


def _columns(group: Group) -> list[Column[Adapted]]:
    """The columns of numbers."""
    train = "less_than_on_train"
    return [
        stats("Subset lost", lambda row: Stat.of(row.values("subset")), "lost_subset"),
        stats("Others lost", lambda row: Stat.of(row.values("others")), "lost_others"),
        stats("Subset less than others", lambda row: row.less_than_others, "less_than_others", str),
        stats("Subset less than with Ω on train", lambda row: row.less_than_on_train, train, str),
        stats(f"{group.labels[1]}, %", lambda row: Stat.of(row.values("second")), "second"),
    ]


def _table(group: Group, columns: list[Column[Adapted]], rows: list[Adapted]) -> Table:
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
