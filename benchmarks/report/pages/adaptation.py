"""The page of adaptation: what the classes that the model met lost, and what the others lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from benchmarks.record.schema import RESULT, FirstTask
from benchmarks.report.figures.dots import SPREAD, Mark, dots
from benchmarks.report.names import data_in_order, in_order, look, span, title
from benchmarks.report.numbers.groups import Group, check_together
from benchmarks.report.numbers.notes import about_data, about_mean, about_seeds, about_versions
from benchmarks.report.numbers.runs import FinishedRun, usable
from benchmarks.report.numbers.summary import Stat, Summary, summaries_of
from benchmarks.report.page import CaptionedFigure, Page
from benchmarks.report.pages.columns import IMPORTANCE_ON, METHOD, SEEDS, STRENGTH, SUMMARY
from benchmarks.report.pages.headings import heading, setting
from benchmarks.report.tables import Column, Table, csv_of, percent, stats, table_of

TRAIN = "train"
"""The data that the others are compared with."""

_CAPTION = (
    "What the subset of classes that the model met lost of the first task, and what the others lost"
)


class Lost(NamedTuple):
    """What one run lost of the first task, as fractions of the test images of each part.

    The parts are the classes that the model met without labels, in `unlabelled` images, and the
    others.
    """

    subset: float
    others: float
    unlabelled: int


@dataclass(frozen=True)
class Less(Stat):
    """How much less was lost, and in how many of the runs."""

    counted: str

    @classmethod
    def over(cls, values: list[float]) -> Less | None:
        """Summarise the values; return None if there are none."""
        if not values:
            return None
        return cls(**vars(Stat.of(values)), counted=f"{sum(v > 0 for v in values)}/{len(values)}")

    def __str__(self) -> str:
        return f"{percent(self)} ({self.counted})"


@dataclass(frozen=True)
class Adapted(Summary):
    """A row of the table: a method, a strength, and the data that Ω is measured on.

    `lost` is what its runs lost, by seed, and `on_train` the same with Ω on training data;
    empty if this row's Ω is on them.
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
        """Return one attribute of every run."""
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
    """Return the page of all groups, with their strengths and the data that Ω was measured on."""
    check_together(groups, {"importance_on", "strength_share"})
    rows, columns = _rows(groups), _columns(groups[0])
    numbers = [SUMMARY[1], METHOD, STRENGTH, IMPORTANCE_ON, SEEDS, *columns]
    mean = about_mean((run for row in rows for run in row.runs), SPREAD)
    return Page(
        title=heading(groups),
        groups=groups,
        tables=[_table(groups[0], columns, rows)],
        headline=1,
        as_csv=lambda: csv_of(numbers, rows),
        figures={"lost": CaptionedFigure(f"{_CAPTION}: {mean}.", lambda: _figure(groups[0], rows))},
    )


def _rows(groups: list[Group]) -> list[Adapted]:
    """Return the rows by method, from the largest share of the strength, then by data."""
    found = summaries_of(groups)
    methods = in_order({summary.method for summary in found})
    data = data_in_order(groups[0].config["experiment"], {one.importance_on for one in found})

    def key(one: Summary, on: str | None) -> tuple[int, float, int]:
        share = one.group.config.get("strength_share") or 0.0
        return methods.index(one.method), -share, data.index(on)

    places = {key(one, one.importance_on): one for one in found}
    lost = {place: {run.seed: _lost(run) for run in one.runs} for place, one in places.items()}
    return [
        Adapted(
            **vars(one),
            lost=lost[place],
            on_train={} if one.importance_on == TRAIN else lost.get(key(one, TRAIN), {}),
        )
        for place, one in sorted(places.items())
    ]


def _lost(run: FinishedRun) -> Lost:
    counts: FirstTask = run.detail("first_task")
    with usable(run.folder / RESULT, "the first task's counts"):
        samples, (before, after) = counts["samples"], counts["correct"]
        subset = {int(label) for label in counts["subset"]}
        others = set(range(len(samples))) - subset

        def drop(classes: set[int]) -> float:
            lost = sum(before[label] - after[label] for label in classes)
            return float(lost / sum(samples[label] for label in classes))

        return Lost(drop(subset), drop(others), int(counts["unlabelled"]))


def _columns(group: Group) -> list[Column[Any]]:
    """Return the columns of numbers."""
    train = "less_than_on_train"
    return [
        stats("Subset lost", lambda row: Stat.of(row.values("subset")), "lost_subset"),
        stats("Others lost", lambda row: Stat.of(row.values("others")), "lost_others"),
        stats("Subset less than others", lambda row: row.less_than_others, "less_than_others", str),
        stats("Subset less than with Ω on train", lambda row: row.less_than_on_train, train, str),
        stats(f"{group.labels[1]}, %", lambda row: row.at_end[1], "second"),
    ]


def _table(group: Group, columns: list[Column[Any]], rows: list[Adapted]) -> Table:
    met = span(one.unlabelled for row in rows for one in row.lost.values())
    return table_of(
        f"{group.name}-lost",
        f"Accuracy lost on the subset of classes that the model met, {setting(group)}",
        [METHOD, STRENGTH, IMPORTANCE_ON, *columns],
        rows,
        [
            f"Subset: half of the classes of {group.labels[0]}, chosen by the seed. After the task,"
            f" the model met {met} images of them (validation data) without labels. Ω is measured on"
            " the training data (train), on these images (subset), or first on the one and then on"
            " the other. Lost: accuracy on test images when the task was learned minus accuracy at"
            " the end, in points. In brackets: in how many of the runs the subset lost less. The"
            " comparison with Ω on train is seed by seed.",
            about_seeds([(row.name, row.seeds) for row in rows], " per row"),
            *about_data([group]),
            *about_versions(run for row in rows for run in row.runs),
        ],
        narrow=5,
    )


def _figure(group: Group, rows: list[Adapted]) -> Figure:
    """Draw what each row lost: the subset filled, the other classes hollow."""
    methods = [row.method for row in rows]
    marks = []
    for row in rows:
        colour = look(row.method, methods).colour
        subset = [100 * value for value in row.values("subset")]
        others = [100 * value for value in row.values("others")]
        marks.append(
            [
                Mark(subset, colour, label="classes that the model met"),
                Mark(others, colour, filled=False, label="other classes"),
            ]
        )
    names = [row.name for row in rows]
    return dots({group.labels[0]: marks}, names, "lost after the second task, points")
