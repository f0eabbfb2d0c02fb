"""The content of a report on one experiment, independent of the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from matplotlib.figure import Figure

from benchmarks.report.numbers.groups import Group, runs_of
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.tables import Table


class CaptionedFigure(NamedTuple):
    """The caption of a figure, and a function that draws the figure."""

    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Page:
    """The tables, numbers and figures of one experiment.

    The first `headline` tables are what a marked block of a document shows, the first of all being
    the main one; `on_request` are shown only when asked for. `as_csv` returns all numbers,
    unrounded.
    """

    title: str
    groups: Sequence[Group]
    tables: list[Table]
    headline: int
    as_csv: Callable[[], str]
    figures: dict[str, CaptionedFigure]
    on_request: list[Table] = field(default_factory=list)

    @property
    def name(self) -> str:
        """A short name for files."""
        return self.groups[0].name

    @property
    def runs(self) -> list[FinishedRun]:
        """The runs of all groups."""
        return runs_of(self.groups)
