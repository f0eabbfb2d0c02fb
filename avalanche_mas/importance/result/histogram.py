"""Ω as a picture: its distribution in each layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avalanche_mas.figure_style import FILL, INK, PALE, STYLE, TALLEST
from avalanche_mas.importance.result.ranked import Ranked, quantile, sum_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 120
GREY = "#777777"
ROW = 0.34  # inches
HIGHEST, MIDDLE = 0.85, 0.3  # of a row: the highest bin, the middle of the text
COLUMNS = (1.11, 1.22)  # right ends of the numbers, of the axes' width
LOWEST = 0.001


class Ridge(NamedTuple):
    """The entries of Ω in one layer, as its part of the picture shows them."""

    name: str
    counts: NDArray[np.int64]  # by bin, of the entries that are not zero
    median: float  # log10, of these
    share: float  # of ΣΩ
    zeros: float  # share of the layer's entries


class Ridges(NamedTuple):
    """The distribution of Ω in each layer, over the same bins of log10 Ω."""

    edges: NDArray[np.float64]
    layers: tuple[Ridge, ...]


def ridges(omega: Ranked) -> Ridges:
    """Count the entries of each layer by their size.

    Raises:
        ValueError: Ω is zero everywhere.
    """
    total = sum_of(omega.together)
    if total == 0:
        raise ValueError("the importance is zero everywhere: there is no histogram to draw")
    edges = _edges(omega)
    layers = [_ridge(name, entries, edges, total) for name, entries in omega.layers.items()]
    return Ridges(edges, tuple(layers))


def histogram_figure(distribution: Ridges) -> Figure:
    """Draw a ridge a layer, in the project's style."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        return _figure(distribution)


def _positive(entries: NDArray[Any]) -> NDArray[Any]:
    return entries[np.searchsorted(entries, entries.dtype.type(0), side="right") :]


def _ridge(name: str, entries: NDArray[Any], edges: NDArray[np.float64], total: float) -> Ridge:
    positive = _positive(entries)
    bounds = np.searchsorted(positive, (10.0**edges).astype(positive.dtype))
    bounds[0], bounds[-1] = 0, positive.size  # the first bin has what is below, too
    zeros = (entries.size - positive.size) / max(entries.size, 1)
    median = math.log10(quantile(positive, 0.5)) if positive.size else math.nan
    return Ridge(name, np.diff(bounds), median, sum_of(entries) / total, zeros)


def _figure(distribution: Ridges) -> Figure:
    """Draw the ridges from top to bottom in the model's order, numbers on the right."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    edges, layers = distribution
    figure = Figure(figsize=(6.6, min(ROW * len(layers) + 0.9, TALLEST)))
    axes = figure.add_subplot()
    bases = range(len(layers))[::-1]
    for layer, base in zip(layers, bases, strict=True):
        _draw_ridge(axes, layer, base, edges)
    axes.set_yticks([base + MIDDLE for base in bases], [_plain(layer.name) for layer in layers])
    axes.set_ylim(-0.1, len(layers))
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.xaxis.set_major_formatter("$10^{{{x:.0f}}}$")
    axes.set_xlabel("Ω where it is not zero; each layer scaled to its highest bin, line: median")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    for x, title in zip(COLUMNS, ("share of ΣΩ", "zero"), strict=True):
        axes.annotate(
            title, (x, 1), (0, 3), "axes fraction", "offset points", ha="right", color=GREY
        )
    return figure


def _edges(omega: Ranked) -> NDArray[np.float64]:
    """Return the edges of the bins of log10 Ω; the first bin holds at most 0.1 % of a layer's entries."""
    filled = [entries for entries in map(_positive, omega.layers.values()) if entries.size]
    low = math.log10(min(quantile(entries, LOWEST) for entries in filled))
    high = math.log10(omega.together[-1])
    margin = max(0.01 * (high - low), 1 - (high - low) / 2)  # two powers of ten at least
    return np.linspace(low - margin, high + margin, BINS + 1)


def _draw_ridge(axes: Any, layer: Ridge, base: int, edges: NDArray[np.float64]) -> None:
    if layer.counts.any():
        tops = base + HIGHEST * layer.counts / layer.counts.max()
        axes.stairs(tops, edges, baseline=base, fill=True, color=FILL, alpha=0.75, linewidth=0)
        axes.plot([layer.median] * 2, [base, base + HIGHEST], color=INK, linewidth=1)
    axes.plot(edges[[0, -1]], [base, base], color=INK, linewidth=0.4)
    for x, share in zip(COLUMNS, (layer.share, layer.zeros), strict=True):
        text = f"{100 * share:.1f} %" if share else "–"
        place = (x, base + MIDDLE)
        axes.annotate(text, place, xycoords=axes.get_yaxis_transform(), ha="right", va="center")


def _plain(name: str) -> str:
    """Return a name that is not taken for a formula."""
    return name.replace("$", r"\$")
