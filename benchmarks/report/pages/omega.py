"""Ω layer by layer, after every task."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from avalanche_mas.metrics import Matrix
from benchmarks.record.schema import OmegaOfLayer
from benchmarks.report.figures.drawing import WIDTH, brief, colour_bar, draw_heat_map, name_axes
from benchmarks.report.names import title
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.layers import Trainings, omega_by_layer
from benchmarks.report.numbers.notes import about_data, about_mean
from benchmarks.report.numbers.summary import Stat
from benchmarks.report.page import CaptionedFigure
from benchmarks.report.pages.headings import setting
from benchmarks.report.tables import Column, Table, percent, table_of

RANGE = 1e6
"""The range of shares that colours show; smaller shares are drawn as the smallest."""


def tables(group: Group) -> list[Table]:
    """Return the table of each layer's Ω at the end, of the methods that recorded it, if any."""
    found = {method: _at_end(runs) for method, runs in omega_by_layer(group).items()}
    if not found:
        return []
    rows = {
        layer: same[0]["entries"] for by_layer in found.values() for layer, same in by_layer.items()
    }
    columns: list[Column[str]] = [
        Column("Layer", str),
        Column("Parameters", lambda layer: rows[layer]),
        *(column for method, by_layer in found.items() for column in _columns(method, by_layer)),
    ]
    notes = [
        "Ω is what the method has accumulated over all tasks. Share: the layer's part of"
        " the sum over all layers. Means are over its parameters, and over runs.",
        *about_data([group]),
    ]
    heading = f"Ω layer by layer at the end, {setting(group)}"
    return [table_of(f"{group.name}-omega", heading, columns, rows, notes, narrow=4)]


def _at_end(runs: list[Trainings]) -> dict[str, list[OmegaOfLayer]]:
    """Return each run's record at its end, by layer."""
    by_layer: dict[str, list[OmegaOfLayer]] = {}
    for trainings in runs:
        for layer in trainings[-1]:
            by_layer.setdefault(layer["layer"], []).append(layer)
    return by_layer


def _columns(method: str, by_layer: dict[str, list[OmegaOfLayer]]) -> list[Column[str]]:
    def mean(field: Literal["share", "mean"], layer: str) -> Stat | None:
        same = by_layer.get(layer, [])
        if not same or any(entry["mean"] is None for entry in same):
            return None
        return Stat.of(entry[field] or 0.0 for entry in same)

    return [
        Column(f"{title(method)}: share of Ω, %", partial(mean, "share"), percent),
        Column(f"{title(method)}: mean Ω", partial(mean, "mean"), lambda stat: f"{stat.mean:.2e}"),
    ]


def figures(group: Group) -> dict[str, CaptionedFigure]:
    """Return the figure "omega" of the layers' shares after every task, if any are recorded."""
    found = omega_by_layer(group)
    if not found:
        return {}
    caption = (
        "Each layer's share of the accumulated Ω (row, from the first layer down), after each task"
        f" (column), {about_mean(group.everything)}; blank: none yet."
    )
    return {"omega": CaptionedFigure(caption, lambda: shares(group, found))}


def shares(group: Group, found: dict[str, list[Trainings]]) -> Figure:
    """Draw the shares as heat maps with a logarithmic scale, a panel per method."""
    maps = {method: _mean_shares(runs) for method, runs in found.items()}
    rows = max(len(layers) for layers, _ in maps.values())
    width = min(WIDTH, 2.6 + 3.0 * len(maps))
    figure = Figure(figsize=(width, 1.2 + 0.14 * rows), layout="constrained")
    tasks = list(map(brief, group.labels))
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    above = [float(value) for _, share in maps.values() for value in 100 * share[share > 0]]
    most = max(above, default=100.0)
    norm = LogNorm(max(min(above, default=1.0), most / RANGE), most)
    for panel, (method, (layers, share)) in zip(panels, maps.items(), strict=True):
        draw_heat_map(panel, np.ma.masked_invalid(100 * share), norm, aspect="auto")
        panel.set_title(brief(title(method)), loc="left")
        panel.set_xticks(range(share.shape[1]), tasks, rotation=45, ha="right")
        names = [brief(layer, end=True) for layer in layers]
        panel.set_yticks(range(len(names)), names, fontsize=6)
        if panel is not panels[0] and layers == maps[next(iter(maps))][0]:
            panel.tick_params(labelleft=False)
    ticks = {"ticks": LogLocator(subs=(1, 3)), "format": "{x:g}"}
    colour_bar(figure, panels, norm, "share of Ω, %", shrink=0.8, **ticks).minorticks_off()
    name_axes(panels[None], len(panels), "after learning", "layer")
    return figure


def _mean_shares(runs: list[Trainings]) -> tuple[list[str], Matrix]:
    """Return the layers and their shares [layers, trainings], mean over runs; NaN where none yet."""
    names = list(
        dict.fromkeys(layer["layer"] for run in runs for layers in run for layer in layers)
    )
    found = np.full((len(runs), len(names), len(runs[0])), np.nan)
    for r, trainings in enumerate(runs):
        for t, training in enumerate(trainings):
            for layer in training:
                found[r, names.index(layer["layer"]), t] = layer["share"]
    return names, found.mean(axis=0)
