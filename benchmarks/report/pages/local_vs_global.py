"""The page of local-vs-global: the two importances compared, layer by layer."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.report.figures.layer_figures import along, densities, histograms
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.layers import KINDS, Layer, layers
from benchmarks.report.numbers.notes import about_data, about_mean, about_seeds, about_versions
from benchmarks.report.numbers.summary import Stat
from benchmarks.report.page import CaptionedFigure, Page
from benchmarks.report.pages.headings import heading, setting
from benchmarks.report.tables import Column, Table, csv_of, number, stats, table_of

_EXPLAINED = (
    "Both Ω, the local one of l-MAS and the global one of MAS, are measured on the training data"
    " after the task is learned. Rank correlation: Spearman's, over all entries of a layer's weight."
    " Correlation of logarithms: Pearson's, over the entries above zero in both. Local over global:"
    " the ratio of their medians over entries above zero. Biases are in the CSV file only."
)


def page(groups: list[Group]) -> Page:
    """Return the page of one group, whose runs learn one task."""
    (group,) = groups
    (runs,) = group.runs.values()
    everything = layers(runs)
    weights = [layer for layer in everything if layer.is_weight]
    seeds = [("", tuple(run.seed for run in runs))]
    means, spread = about_seeds(seeds, "", "Means"), about_seeds(seeds, "")
    stand_ins: Column[Layer] = Column("stand_ins", lambda _: group.stand_ins)
    about = [_EXPLAINED, *about_data([group]), *about_versions(runs)]
    return Page(
        title=heading(groups),
        groups=groups,
        tables=[
            _summary(group, weights, [*about, means]),
            _by_layer(group, weights, [*about, spread]),
        ],
        headline=1,
        as_csv=lambda: csv_of([stand_ins, *_COLUMNS], everything),
        figures=_figures(weights, about_mean(runs, "the whisker one standard deviation")),
    )


def _figures(weights: list[Layer], mean: str) -> dict[str, CaptionedFigure]:
    return {
        "layers": CaptionedFigure(
            "How the local and the global Ω correlate, and each layer's share of their sum,"
            f" from the first layer to the last: {mean}.",
            lambda: along(weights),
        ),
        "histograms": CaptionedFigure(
            "How often which magnitude of Ω occurs in each layer, first seed.",
            lambda: histograms(weights),
        ),
        "densities": CaptionedFigure(
            "The local Ω of each weight against the global one in some layers, first seed; the"
            " line is where both are the same.",
            lambda: densities(weights),
        ),
    }


def _summary(group: Group, weights: list[Layer], notes: list[str]) -> Table:
    """Return the table of the least, median and most of the layers; its rows are of `_COLUMNS`."""

    def of(choose: Callable[[Sequence[float]], float]) -> Callable[[Column[Layer]], str | None]:
        def cell(row: Column[Layer]) -> str | None:
            means = [stat.mean for layer in weights if (stat := row.value(layer)) is not None]
            return row.text(Stat(choose(means), None)) if means else None

        return cell

    zeros = zip(KINDS, _COLUMNS[5:7], strict=True)
    rows = [
        *_COLUMNS[2:5],
        *(replace(column, title=f"Zeros in the {kind} Ω, %") for kind, column in zeros),
    ]
    columns: list[Column[Column[Layer]]] = [
        Column("", lambda row: row.title),
        Column("Least", of(min)),
        Column("Median", of(statistics.median)),
        Column("Most", of(max)),
    ]
    title = f"Local and global Ω over the {len(weights)} layers, {setting(group)}"
    return table_of(f"{group.name}-summary", title, columns, rows, notes)


_two_digits = partial(number, digits=2)


def _of_kind(part: str, kind: str, layer: Layer) -> Any:
    return getattr(layer, part)[kind]


_COLUMNS: list[Column[Layer]] = [
    Column(
        "Layer",
        lambda layer: layer.name,
        lambda name: name.removesuffix(".weight"),
        csv="parameter",
    ),
    Column("Weights", lambda layer: layer.size, csv="entries"),
    stats("Rank correlation", lambda layer: layer.spearman, "spearman", _two_digits),
    stats("Correlation of logarithms", lambda layer: layer.pearson, "pearson", _two_digits),
    stats(
        "log₁₀ of local over global",
        lambda layer: layer.ratio,
        "log10_local_over_global",
        _two_digits,
    ),
    *(stats(f"Zeros, {k}, %", partial(_of_kind, "zeros", k), f"zeros:{k}") for k in KINDS),
    *(stats(f"Share of Ω, {k}, %", partial(_of_kind, "share", k), f"share:{k}") for k in KINDS),
]


def _by_layer(group: Group, weights: list[Layer], notes: list[str]) -> Table:
    explained = [*notes, "Share of Ω: the layer's part of the sum over all parameters."]
    title = f"Local and global Ω, layer by layer, {setting(group)}"
    return table_of(f"{group.name}-layers", title, _COLUMNS, weights, explained, narrow=4)
