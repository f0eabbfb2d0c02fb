"""What a report says of one experiment, in whatever format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.figure import Figure

from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.tables import Table


class CaptionedFigure(NamedTuple):
    """A figure to be drawn.

    Attributes:
        caption: what it shows.
        draw: draws it.
    """

    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Page:
    """The tables, numbers and figures of one experiment.

    Attributes:
        title: what it is about.
        groups: the groups that all this is of.
        tables: the tables to print.
        headline: how many of them, from the first, a marked block of a document shows.
        as_csv: gives all numbers, unrounded.
        figures: the figures by name.
    """

    title: str
    groups: Sequence[Group]
    tables: list[Table]
    headline: int
    as_csv: Callable[[], str]
    figures: dict[str, CaptionedFigure]

    @property
    def name(self) -> str:
        """Short name, used for files."""
        return self.groups[0].name

    @property
    def runs(self) -> list[FinishedRun]:
        """The runs of all groups."""
        return [run for group in self.groups for run in group.everything]
