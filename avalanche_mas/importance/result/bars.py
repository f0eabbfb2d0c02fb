"""Ω as a picture: how much of it is in each layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from avalanche_mas.figure_style import PALE, STYLE
from avalanche_mas.importance.result.checks import check_entries
from avalanche_mas.importance.result.ranked import by_layer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILL = "#0072b2"
ROW, TALLEST = 0.19, 160.0  # inches; a PNG cannot be taller than 2¹⁶ pixels


class Layer(NamedTuple):
    """Ω of one layer."""

    name: str
    share: float  # of ΣΩ, in percent
    mean: float  # NaN where it has no entries


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

    layers = layers_of(omega)
    rows, names = range(len(layers)), [layer.name.replace("$", r"\$") for layer in layers]
    with rc_context(STYLE):
        size = (6.6, min(ROW * len(layers) + 0.8, TALLEST))
        figure = Figure(figsize=size, layout="constrained")
        shares, means = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        bars = shares.barh(rows, [layer.share for layer in layers], color=FILL, height=0.7)
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


def layers_of(omega: Mapping[str, Tensor]) -> list[Layer]:
    """Return the share and the mean of each layer, in the model's order; sums are in float64."""
    sums, counts = {}, {}
    for layer, names in by_layer(omega).items():
        for name in names:
            check_entries(name, omega[name])
        sums[layer] = sum(float(omega[name].cpu().sum(dtype=torch.float64)) for name in names)
        counts[layer] = sum(omega[name].numel() for name in names)
    total = sum(sums.values())
    if total == 0:
        raise ValueError("the importance is zero everywhere: there is nothing to draw")
    return [
        Layer(layer, 100 * own / total, own / counts[layer] if counts[layer] else float("nan"))
        for layer, own in sums.items()
    ]


def _number(layer: Layer) -> str:
    return f"{layer.share:.1f}" if layer.share >= 0.05 else "" if layer.share else "0"


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
