"""Ω as a picture: its distribution in each layer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from torch import Tensor

from avalanche_mas.importance.files import replacing
from avalanche_mas.importance.summary import by_layer, flat, total_of

__all__ = ["draw"]

BINS = 120
INK, GREY, PALE, FILL = "#333333", "#777777", "#e6e6e6", "#0072b2"
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.usetex": False,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
}
ROW, TALLEST = 0.34, 160.0  # inches; a PNG cannot be taller than 2¹⁶ pixels
HIGHEST, MIDDLE = 0.85, 0.3  # of a row: the highest bin, the middle of the text
COLUMNS = (1.11, 1.22)  # right ends of the numbers, of the axes' width
LOWEST = 0.001


class _Layer(NamedTuple):
    name: str
    logs: NDArray[Any]  # log10 of the entries that are not zero
    share: float  # of ΣΩ
    zeros: float  # share of the layer's entries


def draw(omega: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Draw one ridge a layer over log10 Ω into a PNG or PDF file; see `Importance.histogram`."""
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in ("png", "pdf"):
        raise ValueError(
            f"the name of the figure must end in .png or .pdf, got {os.fspath(path)!r}"
        )
    total = total_of(omega)
    if total == 0:
        raise ValueError("the importance is zero everywhere: there is no histogram to draw")
    layers = [_layer(name, flat(omega, names), total) for name, names in by_layer(omega).items()]
    with rc_context(STYLE), replacing(path) as temporary:
        metadata = {"CreationDate": None} if kind == "pdf" else None
        _figure(layers).savefig(
            temporary, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.08
        )


def _layer(name: str, values: NDArray[Any], total: float) -> _Layer:
    share = float(values.sum(dtype=np.float64)) / total
    positive = values[values > 0]
    zeros = (values.size - positive.size) / max(values.size, 1)
    return _Layer(name, np.log10(positive, out=positive), share, zeros)


def _figure(layers: list[_Layer]) -> Figure:
    """From top to bottom in the model's order, numbers on the right."""
    figure = Figure(figsize=(6.6, min(ROW * len(layers) + 0.9, TALLEST)))
    axes, edges = figure.add_subplot(), _edges(layers)
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


def _edges(layers: list[_Layer]) -> NDArray[np.float64]:
    """Of the bins of log10 Ω. At most 0.1 % of a layer's entries are below, in the first bin."""
    filled = [layer.logs for layer in layers if layer.logs.size]
    low = min(float(np.quantile(logs, LOWEST)) for logs in filled)
    high = max(float(logs.max()) for logs in filled)
    margin = max(0.01 * (high - low), 1 - (high - low) / 2)  # two powers of ten at least
    return np.linspace(low - margin, high + margin, BINS + 1)


def _draw_ridge(axes: Any, layer: _Layer, base: int, edges: NDArray[np.float64]) -> None:
    if layer.logs.size:
        counts = np.histogram(np.maximum(layer.logs, edges[0]), edges)[0]
        tops = base + HIGHEST * counts / counts.max()
        axes.stairs(tops, edges, baseline=base, fill=True, color=FILL, alpha=0.75, linewidth=0)
        axes.plot([np.median(layer.logs)] * 2, [base, base + HIGHEST], color=INK, linewidth=1)
    axes.plot(edges[[0, -1]], [base, base], color=INK, linewidth=0.4)
    for x, share in zip(COLUMNS, (layer.share, layer.zeros), strict=True):
        text = f"{100 * share:.1f} %" if share else "–"
        place = (x, base + MIDDLE)
        axes.annotate(text, place, xycoords=axes.get_yaxis_transform(), ha="right", va="center")


def _plain(name: str) -> str:
    """A name that is not taken for a formula."""
    return name.replace("$", r"\$")
