"""Figures of two importances: histograms, one against the other, and along the network."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from avalanche_mas.figure_style import PALE
from benchmarks.methods import METHODS
from benchmarks.report.figures.drawing import COLOURS, WIDTH, grid, name_axes
from benchmarks.report.names import look
from benchmarks.report.numbers.layers import KINDS, Layer
from benchmarks.report.numbers.summary import Stat

COLOUR_OF = {method.measures: look(name).colour for name, method in METHODS.items()}
LINES = {"global": "-", "local": (0, (3, 1))}
"""Line styles that show both where they coincide, as in a last layer."""

SHOWN = 6
"""The number of layers that show one importance against the other."""


def histograms(weights: list[Layer]) -> Figure:
    """Draw histograms of both importances in the first run, a panel per layer."""
    figure, axes = _panels(len(weights), 7, 1.35)
    for panel, layer in zip(axes.flat, weights, strict=False):
        edges = layer.first["edges"]
        for kind in KINDS:
            share = 100 * np.array(layer.first[kind]["counts"]) / layer.size
            line = {"color": COLOUR_OF[kind], "linestyle": LINES[kind]}
            panel.stairs(share, edges, label=kind, fill=False, linewidth=1.1, **line)
        panel.set_title(layer.title, loc="left", fontsize=7)
        panel.set_yticks([])
        panel.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        panel.spines["left"].set_visible(False)
    name_axes(axes, len(weights), "log₁₀ Ω", "share of weights")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)
    return figure


def densities(weights: list[Layer]) -> Figure:
    """Draw the local importance against the global one in evenly spaced layers of the first run."""
    places = np.linspace(0, len(weights) - 1, min(SHOWN, len(weights))).round().astype(int)
    chosen = [weights[place] for place in places]
    figure, axes = _panels(len(chosen), SHOWN, 1.5)
    for panel, layer in zip(axes.flat, chosen, strict=False):
        edges = layer.first["edges"]
        rows = [[int(count) for count in row.split()] for row in layer.first["density"]]
        density = np.ma.masked_equal(np.array(rows).T, 0)
        if density.count():
            panel.pcolormesh(edges, edges, density, norm=LogNorm(), cmap=COLOURS, rasterized=True)
        panel.plot(edges[:: len(edges) - 1], edges[:: len(edges) - 1], color="black", lw=0.6)
        panel.set_title(layer.title, loc="left", fontsize=7)
        panel.set_aspect("equal")
    name_axes(axes, len(chosen), "log₁₀ Ω, global", "log₁₀ Ω, local")
    return figure


def along(weights: list[Layer]) -> Figure:
    """Draw the correlations and the shares of importance, from the first layer to the last."""
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    places = range(1, len(weights) + 1)
    for label, stats, marker in (
        ("of ranks", [layer.spearman for layer in weights], "o"),
        ("of logarithms", [layer.pearson for layer in weights], "s"),
    ):
        colour = "#0072b2" if marker == "o" else "#009e73"
        _line(left, places, stats, color=colour, marker=marker, label=label)
    left.axhline(0, color="black", linewidth=0.6)
    left.set_title("Correlation of local and global Ω", loc="left")
    left.set_ylabel("correlation")
    for kind in KINDS:
        of_kind = [layer.share[kind] for layer in weights]
        shares = [Stat(100 * s.mean, 100 * (s.deviation or 0)) for s in of_kind]
        _line(right, places, shares, color=COLOUR_OF[kind], ls=LINES[kind], marker="o", label=kind)
    right.set_yscale("log")
    right.set_title("Share of the total Ω", loc="left")
    right.set_ylabel("%")
    for panel in (left, right):
        panel.grid(axis="y", color=PALE, linewidth=0.5)
        panel.set_xlabel("layer")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend()
    return figure


def _line(panel: Any, places: range, stats: list[Any], **style: Any) -> None:
    """Draw means with their deviations; leave out layers without the number."""
    found = [(place, stat) for place, stat in zip(places, stats, strict=True) if stat is not None]
    x, mean = [place for place, _ in found], [stat.mean for _, stat in found]
    spread = [stat.deviation or 0.0 for _, stat in found]
    panel.errorbar(x, mean, yerr=spread, elinewidth=0.8, linewidth=1.0, markersize=3, **style)


def _panels(count: int, most: int, height: float) -> tuple[Figure, Any]:
    """Return a figure with a grid of panels of this height, and the panels [rows, columns]."""
    rows, columns = grid(count, most)
    figure = Figure(figsize=(WIDTH, height * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for panel in axes.flat[count:]:
        panel.set_visible(False)
    return figure, axes
