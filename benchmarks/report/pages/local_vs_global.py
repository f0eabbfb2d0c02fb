"""The page of local-vs-global: how the two importances correlate and lie, layer by layer."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.report.figures.layer_figures import along, densities, histograms
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.layers import KINDS, Layer, layers
from benchmarks.report.numbers.summary import Stat, about_data, about_seeds
from benchmarks.report.page import CaptionedFigure, Numbers, Page, csv_of, with_deviations
from benchmarks.report.pages.headings import heading, setting
from benchmarks.report.tables import Column, Table, number, percent, table_of

_EXPLAINED = (
    "Both Ω are measured on the training data once the task is learned, the local one of l-MAS and"
    " the global one of MAS. Rank correlation: Spearman's, over all entries of a layer's weight."
    " Correlation of logarithms: Pearson's, over the entries that are above zero in both. Local"
    " over global: their medians, of what is above zero. Biases are in the CSV file."
)


def page(groups: list[Group]) -> Page:
    """The page of one group, whose runs learn one task.

    Raises:
        ReportError: a run lacks its comparison, or it is one of other parameters.
    """
    (group,) = groups
    (runs,) = group.runs.values()
    everything = layers(runs)
    weights = [layer for layer in everything if layer.is_weight]
    seeds = [("", tuple(run.seed for run in runs))]
    means, spread = about_seeds(seeds, "", "Means"), about_seeds(seeds, "")
    about = [_EXPLAINED, *about_data([group])]
    return Page(
        title=heading(groups),
        groups=groups,
        tables=[
            _summary(group, weights, [*about, means]),
            _by_layer(group, weights, [*about, spread]),
        ],
        headline=1,
        as_csv=lambda: csv_of(_numbers(group), everything),
        figures=_figures(weights),
    )


def _figures(weights: list[Layer]) -> dict[str, CaptionedFigure]:
    return {
        "layers": CaptionedFigure(
            "How the local and the global Ω correlate, and each layer's share of their sum,"
            " from the first layer to the last: mean over seeds, the whisker one standard"
            " deviation.",
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


class _Spread(NamedTuple):
    """A number of the layers: a row of the summary."""

    name: str
    stats: Sequence[Stat | None]
    text: Callable[[Stat], str]

    def cell(self, of: Callable[[Sequence[float]], float]) -> str | None:
        """One number made of the layers' means; None where no layer has any."""
        means = [stat.mean for stat in self.stats if stat is not None]
        return self.text(Stat(of(means), None)) if means else None


def _summary(group: Group, weights: list[Layer], notes: list[str]) -> Table:
    """The least, median and most of the layers, each a mean over runs."""
    rows = [
        _Spread("Rank correlation", [layer.spearman for layer in weights], _two_digits),
        _Spread("Correlation of logarithms", [layer.pearson for layer in weights], _two_digits),
        _Spread("log₁₀ of local over global", [layer.ratio for layer in weights], _two_digits),
        *(
            _Spread(f"Zeros in the {kind} Ω, %", [w.zeros[kind] for w in weights], percent)
            for kind in KINDS
        ),
    ]
    columns: list[Column[_Spread]] = [
        Column("", lambda row: row.name),
        Column("Least", lambda row: row.cell(min)),
        Column("Median", lambda row: row.cell(statistics.median)),
        Column("Most", lambda row: row.cell(max)),
    ]
    title = f"Local beside global Ω over the {len(weights)} layers, {setting(group)}"
    return table_of(f"{group.name}-summary", title, columns, rows, notes)


def _by_layer(group: Group, weights: list[Layer], notes: list[str]) -> Table:
    columns: list[Column[Layer]] = [
        Column("Layer", lambda layer: layer.name.removesuffix(".weight")),
        Column("Weights", lambda layer: layer.size),
        Column("Rank correlation", lambda layer: layer.spearman, _two_digits),
        Column("Correlation of logarithms", lambda layer: layer.pearson, _two_digits),
        Column("log₁₀ of local over global", lambda layer: layer.ratio, _two_digits),
        *(Column(f"Zeros, {kind}, %", _of_kind("zeros", kind), percent) for kind in KINDS),
        *(Column(f"Share of Ω, {kind}, %", _of_kind("share", kind), percent) for kind in KINDS),
    ]
    explained = [*notes, "Share of Ω: the layer's part of the sum over all parameters."]
    title = f"Local beside global Ω, layer by layer, {setting(group)}"
    return table_of(f"{group.name}-layers", title, columns, weights, explained, narrow=4)


def _of_kind(number: str, kind: str) -> Callable[[Layer], Stat]:
    def value(layer: Layer) -> Stat:
        stat: Stat = getattr(layer, number)[kind]
        return stat

    return value


def _two_digits(stat: Stat) -> str:
    return number(stat, 2)


def _numbers(group: Group) -> Numbers[Layer]:
    return {
        "stand_ins": lambda _: group.stand_ins,
        "parameter": lambda layer: layer.name,
        "entries": lambda layer: layer.size,
        **with_deviations(
            {
                "spearman": lambda layer: layer.spearman,
                "pearson": lambda layer: layer.pearson,
                "log10_local_over_global": lambda layer: layer.ratio,
                **{f"{n}:{k}": _of_kind(n, k) for n in ("zeros", "share") for k in KINDS},
            }
        ),
    }
