"""Ω as a picture: how much of it is in each layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from avalanche_mas.figure_style import FILL, PALE, STYLE, TALLEST
from avalanche_mas.importance.result.checks import check_entries
from avalanche_mas.importance.result.measure import Measure
from avalanche_mas.importance.result.summary import LayerSummary, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW = 0.19  # inches


def layers_figure(omega: Mapping[str, Tensor]) -> Figure:
    """Draw Ω by layer: each layer's share of ΣΩ as a bar, and the mean of its entries as a dot.

    Args:
        omega: Ω by parameter name: an `Importance`, or a plugin's ``importance`` of all tasks.

    Returns:
        A figure of matplotlib with one row for each layer, in the model's order. The axis of the
        means is logarithmic; a layer whose Ω is zero has no dot.

    Raises:
        ValueError: an entry is NaN, infinite or negative, or Ω is zero everywhere.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    for name, value in omega.items():
        check_entries(name, value)
    layers = summarise(omega, 0, Measure()).rows
    if not any(layer.share for layer in layers):
        raise ValueError("the importance is zero everywhere: there is nothing to draw")
    rows, names = range(len(layers)), [layer.layer.replace("$", r"\$") for layer in layers]
    with rc_context(STYLE):
        size = (6.6, min(ROW * len(layers) + 0.8, TALLEST))
        figure = Figure(figsize=size, layout="constrained")
        shares, means = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        bars = shares.barh(rows, [100 * layer.share for layer in layers], color=FILL, height=0.7)
        shares.bar_label(bars, list(map(_number, layers)), padding=2, fontsize=6)
        shares.margins(x=0.12)
        dots = {"color": FILL, "markersize": 4, "clip_on": False}
        means.plot([layer.mean or math.nan for layer in layers], rows, "o", **dots)
        means.set_xscale("log")
        means.set_xlim(*_decades([layer.mean for layer in layers if layer.mean > 0]))
        means.minorticks_off()
        shares.set_yticks(rows, names)
        shares.set_ylim(len(layers) - 0.4, -0.6)
        for axes, label in ((shares, "share of ΣΩ in %"), (means, "mean Ω")):
            _plain(axes, label)
    return figure


def _number(layer: LayerSummary) -> str:
    return f"{100 * layer.share:.1f}" if layer.share >= 0.0005 else "" if layer.share else "0"


def _decades(means: Sequence[float]) -> tuple[float, float]:
    """Return the powers of ten around the means, one at least between them."""
    low, high = math.floor(math.log10(min(means))), math.ceil(math.log10(max(means)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _plain(axes: Any, label: str) -> None:
    axes.set_xlabel(label)
    axes.tick_params(axis="y", length=0)
    axes.grid(color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
