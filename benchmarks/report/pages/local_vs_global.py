"""The page of local-vs-global: how the two importances correlate and lie, layer by layer."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from benchmarks.report.figures.layer_figures import along, densities, histograms
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.summary import Stat, about_data, about_seeds
from benchmarks.report.page import Page, Picture, csv_text, pairs, with_deviations
from benchmarks.report.pages.layers import KINDS, Layer, layers
from benchmarks.report.tables import NOTHING, Cell, Table, heading, number, percent, setting

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
        name=group.name,
        title=heading(groups),
        tables=[
            _summary(group, weights, [*about, means]),
            _by_layer(group, weights, [*about, spread]),
        ],
        headline=1,
        as_csv=lambda: _csv(group, everything),
        pictures=_pictures(weights),
        runs=runs,
    )


def _pictures(weights: list[Layer]) -> dict[str, Picture]:
    return {
        "layers": Picture(
            "How the local and the global Ω correlate, and each layer's share of their sum,"
            " from the first layer to the last: mean over seeds, the whisker one standard"
            " deviation.",
            lambda: along(weights),
        ),
        "histograms": Picture(
            "How often which magnitude of Ω occurs in each layer, first seed.",
            lambda: histograms(weights),
        ),
        "densities": Picture(
            "The local Ω of each weight against the global one in some layers, first seed; the"
            " line is where both are the same.",
            lambda: densities(weights),
        ),
    }


def _summary(group: Group, weights: list[Layer], notes: list[str]) -> Table:
    """The least, median and most of the layers, each a mean over runs."""
    return Table(
        name=f"{group.name}-summary",
        title=f"Local beside global Ω over the {len(weights)} layers, {setting(group)}",
        header=["", "Least", "Median", "Most"],
        rows=[
            _spread("Rank correlation", [layer.spearman for layer in weights], _two_digits),
            _spread("Correlation of logarithms", [layer.pearson for layer in weights], _two_digits),
            _spread("log₁₀ of local over global", [layer.ratio for layer in weights], _two_digits),
            *(
                _spread(f"Zeros in the {kind} Ω, %", [w.zeros[kind] for w in weights], percent)
                for kind in KINDS
            ),
        ],
        notes=notes,
        narrow=4,
    )


def _spread(name: str, stats: Sequence[Stat | None], text: Callable[[Stat], str]) -> list[Cell]:
    means = sorted(stat.mean for stat in stats if stat is not None)
    if not means:
        return [Cell(name), *[Cell(NOTHING)] * 3]
    chosen = (means[0], statistics.median(means), means[-1])
    return [Cell(name), *(Cell(text(Stat(mean, None))) for mean in chosen)]


def _by_layer(group: Group, weights: list[Layer], notes: list[str]) -> Table:
    return Table(
        name=f"{group.name}-layers",
        title=f"Local beside global Ω, layer by layer, {setting(group)}",
        header=[
            "Layer",
            "Weights",
            "Rank correlation",
            "Correlation of logarithms",
            "log₁₀ of local over global",
            *(f"Zeros, {kind}, %" for kind in KINDS),
            *(f"Share of Ω, {kind}, %" for kind in KINDS),
        ],
        rows=[
            [
                Cell(layer.name.removesuffix(".weight")),
                Cell(str(layer.size)),
                Cell(_two_digits(layer.spearman)),
                Cell(_two_digits(layer.pearson)),
                Cell(_two_digits(layer.ratio)),
                *(Cell(percent(layer.zeros[kind])) for kind in KINDS),
                *(Cell(percent(layer.share[kind])) for kind in KINDS),
            ]
            for layer in weights
        ],
        notes=[*notes, "Share of Ω: the layer's part of the sum over all parameters."],
        narrow=4,
    )


def _two_digits(stat: Stat | None) -> str:
    return NOTHING if stat is None else number(stat, 2)


def _csv(group: Group, everything: list[Layer]) -> str:
    names = ["spearman", "pearson", "log10_local_over_global"]
    names += [f"{n}:{k}" for n in ("zeros", "share") for k in KINDS]
    return csv_text(
        ["stand_ins", "parameter", "entries", *with_deviations(names)],
        [
            [
                " ".join(group.stand_ins),
                layer.name,
                layer.size,
                *pairs([layer.spearman, layer.pearson, layer.ratio, *layer.zeros.values()]),
                *pairs(layer.share.values()),
            ]
            for layer in everything
        ],
    )
