"""The figures of a group: each task through the sequence, the accuracy matrices, the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from avalanche_mas.figure_style import INK, PALE
from avalanche_mas.metrics import Matrix
from benchmarks.report.figures.drawing import (
    BESIDE,
    DOTS,
    WIDTH,
    brief,
    colour_bar,
    draw_heat_map,
    grid,
    line_of,
    name_axes,
    name_rows,
    without_frame,
)
from benchmarks.report.names import (
    FAMILY,
    in_order,
    is_upper_bound,
    look,
    title,
    together,
    written,
)
from benchmarks.report.numbers.differences import twins
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.summary import Rated, Stat, summarise

MOST_LINES = 6
ALWAYS = ("fine-tuning", *FAMILY)

SPREAD = 0.24
"""The largest spread of the methods' points at a task, as a share of the distance to the next."""


def alike(group: Group) -> list[list[str]]:
    """Return the methods in order, each followed by those with identical results."""
    same = twins(group)
    return [
        [method, *(one for one in in_order(same) if same[one] == method)]
        for method in in_order(group.runs)
        if method not in same
    ]


def leading(group: Group) -> list[list[str]]:
    """Return the methods of at most six lines that can be told apart; identical ones share a line.

    They are fine-tuning, MAS, l-MAS, the upper bound, and the others with the highest mean accuracy
    at the end whose colour is still free.
    """
    accuracy = {s.method: s.accuracy.mean for s in summarise(group)}
    lines = alike(group)
    found = [line for line in lines if any(m in ALWAYS or is_upper_bound(m) for m in line)]
    colours = {look(line[0], group.runs).colour for line in found}
    for line in sorted(lines, key=lambda line: -accuracy[line[0]]):
        colour = look(line[0], group.runs).colour
        if line not in found and colour not in colours and len(found) < MOST_LINES:
            found.append(line)
            colours.add(colour)
    return [line for line in lines if line in found]


def sequence(group: Group, lines: Sequence[Sequence[str]] | None = None) -> Figure:
    """Draw the accuracy on each task as more are learned: a panel per task, a line per method.

    Methods that share a line are drawn as one; by default every method has its own.
    """
    tasks = list(map(brief, group.labels))
    rows, columns = grid(len(tasks))
    width = WIDTH if columns > 2 else 5.6
    figure = Figure(figsize=(width, 1.9 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for j, panel in enumerate(axes.flat):
        panel.set_visible(j < len(tasks))
        if j < len(tasks):
            panel.set_title(tasks[j], loc="left")
            panel.grid(axis="y", color=PALE, linewidth=0.5)
            _lines(panel, group, j, lines or [[method] for method in in_order(group.runs)])
        panel.tick_params(axis="x", labelbottom=j + columns >= len(tasks))
    axes[0, 0].set_xticks(range(1, len(tasks) + 1))
    axes[0, 0].set_xlim(0.5, len(tasks) + 0.5)
    axes[0, 0].set_ylim(bottom=0)
    name_axes(axes, len(tasks), "tasks learned", "accuracy, %")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    most = int(width / (0.55 + 0.075 * max(map(len, labels))))
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), most))
    return figure


def _lines(panel: Any, group: Group, j: int, lines: Sequence[Sequence[str]]) -> None:
    """Draw the lines in the panel of one task, slightly shifted so that none hides another."""
    hair = min(0.06, SPREAD / max(1, len(lines) - 1))
    for k, same in enumerate(lines):
        method = max(same, key=lambda method: len(group.runs[method]))
        style = look(same[0], group.runs)
        name = together(same).replace("$", r"\$") if same[1:] else brief(title(method))
        paths = 100 * np.array([run.accuracy[j:, j] for run in group.runs[method]])
        mean = paths.mean(axis=0)
        if is_upper_bound(method):
            panel.axhline(mean[-1], color=style.colour, linestyle=DOTS, lw=1, label=name)
            continue
        learned = np.arange(j, j + len(mean)) + 1 + hair * (k - (len(lines) - 1) / 2)
        edge = {"markeredgecolor": "white", "markeredgewidth": 0.5}
        panel.plot(learned, mean, label=name, **line_of(style), **edge)
        if len(paths) > 1:
            spread = paths.std(axis=0, ddof=1)
            band = (mean - spread, mean + spread)
            panel.fill_between(learned, *band, color=style.colour, alpha=0.15, linewidth=0)


def matrices(group: Group) -> Figure:
    """Draw the accuracy matrix of each method that learns in sequence, mean over seeds."""
    maps = {
        method: np.mean([100 * run.accuracy for run in group.runs[method]], axis=0)
        for method in in_order(group.runs)
        if not is_upper_bound(method)
    }
    return heat_maps(maps, group.labels, "accuracy, %", ("accuracy on", "after learning"))


def heat_maps(
    maps: Mapping[str, Matrix], tasks: Sequence[str], bar_label: str, axes_labels: tuple[str, str]
) -> Figure:
    """Draw a number for every two tasks, NaN for none, as heat maps [T, T], a panel per method."""
    methods = list(maps)
    rows, columns = grid(max(1, len(methods)), 4)
    side = min(0.7 + 0.25 * len(tasks), (WIDTH - 1.4) / columns)
    figure = Figure(figsize=(side * columns + 1.4, (side + 0.25) * rows + 0.9), layout="compressed")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    top = max((float(np.nanmax(numbers)) for numbers in maps.values()), default=1.0)
    norm = Normalize(0, max(top, 0.0))  # nothing may have been lost
    names = list(map(brief, tasks))
    axes[0, 0].set_yticks(range(len(names)), names)
    for k, panel in enumerate(axes.flat):
        panel.set_visible(k < len(methods))
        if k < len(methods):
            draw_heat_map(panel, maps[methods[k]], norm)
            _write_values(panel, maps[methods[k]], norm)
            panel.set_title(brief(title(methods[k])), loc="left")
        panel.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        panel.tick_params(axis="x", labelbottom=k + columns >= len(methods))
    name_axes(axes, len(methods), *axes_labels)
    colour_bar(figure, axes, norm, bar_label, shrink=0.7, pad=0.02)
    return figure


def _write_values(panel: Any, mean: Matrix, norm: Normalize) -> None:
    for (i, j), value in np.ndenumerate(mean):
        if not np.isnan(value):
            ink = "white" if value < 0.6 * (norm.vmax or 0.0) else "black"
            panel.text(j, i, written(value, ".0f"), ha="center", va="center", color=ink, fontsize=7)


def outcome(summaries: Sequence[Rated]) -> Figure:
    """Draw mean accuracy at the end and forgetting: a bar per method, hollow for the upper bound."""
    figure = Figure(figsize=(WIDTH, 0.3 * len(summaries) + 0.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    methods = [summary.method for summary in summaries]
    _bars(left, [summary.accuracy for summary in summaries], methods)
    _bars(right, [summary.forgetting for summary in summaries], methods)
    name_rows(left, [brief(title(method)) for method in methods])
    for panel, name, unit in (
        (left, "Mean accuracy at the end", "%"),
        (right, "Average forgetting", "points"),
    ):
        panel.set_title(name, loc="left")
        panel.set_xlabel(unit)
    return figure


def _bars(panel: Any, stats: Sequence[Stat | None], methods: list[str]) -> None:
    for y, (stat, method) in enumerate(zip(stats, methods, strict=True)):
        if stat is None:
            panel.annotate("–", (0, y), **BESIDE)
            continue
        colour, hollow = look(method, methods).colour, is_upper_bound(method)
        value, spread = 100 * stat.mean, 100 * (stat.deviation or 0)
        panel.barh(
            y,
            value,
            xerr=spread or None,
            color="white" if hollow else colour,
            edgecolor=colour,
            linestyle=DOTS if hollow else "-",
            height=0.62,
            error_kw={"elinewidth": 0.8, "capsize": 2, "ecolor": INK},
        )
        panel.annotate(written(value), (max(value, 0) + spread, y), **BESIDE)
    without_frame(panel)
    panel.margins(x=0.15)
