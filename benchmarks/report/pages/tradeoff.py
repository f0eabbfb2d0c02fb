"""The trade-off between forgetting and learning over a grid of strengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from avalanche_mas.figure_style import INK, PALE
from benchmarks.methods import Look
from benchmarks.report.figures.drawing import WIDTH, brief, line_of
from benchmarks.report.names import in_order, is_upper_bound, look, title
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.notes import about_data, about_methods, about_seeds, about_versions
from benchmarks.report.numbers.summary import Stat, Summary, summaries_of
from benchmarks.report.page import CaptionedFigure
from benchmarks.report.pages.columns import HEADLINE, METHOD
from benchmarks.report.pages.headings import setting
from benchmarks.report.tables import Column, Table, table_of

CHOSEN = "chosen"


def shown_strength(summary: Summary) -> str | None:
    """Return the strength in print, marked if it is not of the grid; None for a method without one."""
    if summary.strength is None:
        return None
    return f"{summary.strength:g}" + ("" if summary.group.in_grid else f" ({CHOSEN})")


def _named(summary: Summary) -> str:
    strength = shown_strength(summary)
    return title(summary.method) + (f", λ = {strength}" if strength else "")


def lines(chosen: Sequence[Group], grid: Sequence[Group]) -> dict[str, list[Summary]]:
    """Return each method's strengths: those of the grid in ascending order, then the chosen one.

    Methods outside the grid are left out unless they have no strength.
    """
    found: dict[str, list[Summary]] = {}
    for summary in summaries_of(grid):
        found.setdefault(summary.method, []).append(summary)
    for line in found.values():
        line.sort(key=lambda summary: summary.strength or 0.0)
    for summary in summaries_of(chosen):
        if summary.strength is None or summary.method in found:
            found.setdefault(summary.method, []).append(summary)
    return {method: found[method] for method in in_order(found)}


def table(name: str, chosen: Sequence[Group], grid: Sequence[Group]) -> Table:
    """Return the table of forgetting and accuracy, for the grid and the chosen strengths."""
    found = [summary for line in lines(chosen, grid).values() for summary in line]
    return table_of(
        name,
        f"What is forgotten and learned, by strength, {setting(grid[0])}",
        [
            METHOD,
            Column("λ", shown_strength),
            *(replace(column, best=None) for column in HEADLINE),
        ],
        found,
        [
            "All strengths of the grid, on test data. The strength chosen beforehand, which the"
            " other tables show, is marked. Learned: mean accuracy when just learned.",
            about_seeds([(_named(one), one.seeds) for one in found], " per row"),
            *about_data(grid),
            *about_methods(one.method for one in found),
            *about_versions(run for one in found for run in one.runs),
        ],
    )


def figure(chosen: Sequence[Group], grid: Sequence[Group]) -> CaptionedFigure:
    """Return the trade-off as a figure."""
    caption = (
        "Forgetting against the accuracy of tasks when just learned, from the smallest λ of the"
        " grid to the largest: up and to the left is better. Ring: the strength chosen"
        " beforehand. Whiskers: one standard deviation over seeds."
    )
    return CaptionedFigure(caption, lambda: tradeoff(lines(chosen, grid)))


def tradeoff(found: dict[str, list[Summary]]) -> Figure:
    """Draw forgetting against the accuracy when learned, with a line per method."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    panel = figure.subplots()
    panel.grid(color=PALE, linewidth=0.5)
    panel.axvline(0, color=INK, linewidth=0.6)
    for place, (method, line) in enumerate(found.items()):
        if not is_upper_bound(method):
            _draw(panel, look(method, found), line, place)
    panel.set_xlabel("forgetting, points")
    panel.set_ylabel("accuracy when learned, %")
    panel.margins(0.1)
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    return figure


def _draw(panel: Any, style: Look, line: Sequence[Summary], place: int) -> None:
    grid = [point for point in line if point.group.in_grid]
    drawn = grid or line
    x, x_spread = _axis([point.forgetting for point in drawn])
    y, y_spread = _axis([point.learned for point in drawn])
    bars = {"elinewidth": 0.5, "alpha": 0.4, "ecolor": style.colour, "fmt": "none"}
    panel.errorbar(x, y, xerr=x_spread, yerr=y_spread, **bars)
    panel.plot(x, y, linewidth=1.0, label=brief(title(line[0].method)), **line_of(style))
    for k in sorted({0, len(grid) - 1}) if grid else ():
        panel.annotate(f"{grid[k].strength:g}", (x[k], y[k]), color=style.colour, **_beside(place))
    for point in line:
        if grid and not point.group.in_grid:
            ring = {"marker": "o", "markersize": 9, "markerfacecolor": "none", "linestyle": ""}
            (left,), _ = _axis([point.forgetting])
            (up,), _ = _axis([point.learned])
            panel.plot(left, up, color=style.colour, **ring)


def _beside(place: int) -> dict[str, Any]:
    """Return the place of a label beside its point: a corner for each of four methods, then outward."""
    right, up, row = place % 2 == 0, place // 2 % 2 == 0, place // 4
    return {
        "xytext": (4 if right else -4, (4 + 7 * row) * (1 if up else -1)),
        "textcoords": "offset points",
        "fontsize": 6,
        "ha": "left" if right else "right",
        "va": "bottom" if up else "top",
        "zorder": 10,
        "path_effects": [withStroke(linewidth=1.5, foreground="white")],
    }


def _axis(stats: Sequence[Stat | None]) -> tuple[list[float], list[float]]:
    """Return the means and deviations in percent."""
    found = [stat for stat in stats if stat is not None]
    return [100 * stat.mean for stat in found], [100 * (stat.deviation or 0.0) for stat in found]
