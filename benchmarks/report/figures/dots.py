"""Rows of dots: the value of every run, the mean and the spread."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from avalanche_mas.figure_style import PALE
from benchmarks.report.figures.drawing import WIDTH, handles_of, name_rows, without_frame

SPREAD = "with whiskers of one standard deviation, and strokes for single runs"
"""What a row shows beside the mean, in words."""


class Mark(NamedTuple):
    """The values of several runs in a row, possibly none; their mean is drawn, too, filled or not."""

    values: list[float]
    colour: str
    filled: bool = True
    label: str = ""


def dots(
    panels: Mapping[str, Sequence[Sequence[Mark]]], rows: Sequence[str], axis: str | Sequence[str]
) -> Figure:
    """Draw panels side by side, with means and their deviations in rows, and single runs pale.

    The axis below has one name for all panels, or one for each.
    """
    size = (WIDTH, 0.3 * len(rows) + 1.0)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    names = [axis] * len(panels) if isinstance(axis, str) else axis
    for panel, (title, marked), name in zip(axes, panels.items(), names, strict=True):
        panel.set_title(title, loc="left")
        panel.set_xlabel(name)
        panel.grid(axis="x", color=PALE, linewidth=0.5)
        without_frame(panel)
        for y, marks in enumerate(marked):
            for k, mark in enumerate(marks):
                _draw(panel, y + 0.3 * (k - (len(marks) - 1) / 2), mark)
    name_rows(axes[0], rows, margin=0.5)
    if handles := handles_of(axes[:1]):
        figure.legend(
            handles.values(), handles.keys(), loc="outside upper right", ncols=len(handles)
        )
    return figure


def _draw(panel: Any, y: float, mark: Mark) -> None:
    if not mark.values:
        return
    mean = statistics.fmean(mark.values)
    spread = statistics.stdev(mark.values) if len(mark.values) > 1 else None
    panel.plot(mark.values, [y] * len(mark.values), "|", color=mark.colour, alpha=0.5, markersize=6)
    panel.errorbar(
        mean,
        y,
        xerr=spread,
        fmt="o",
        color=mark.colour,
        markerfacecolor=mark.colour if mark.filled else "white",
        elinewidth=1.0,
        label=mark.label or None,
    )
