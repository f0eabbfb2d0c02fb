"""Ω in numbers, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import deprecated

from avalanche_mas.importance.result.measure import Measure
from avalanche_mas.importance.result.ranked import Ranked, quantile, ranked, sum_of

QUANTILES = (0.05, 0.5, 0.95, 0.99)
HEADER = ("layer", "entries", "mean", "5 %", "50 %", "95 %", "99 %", "max", "share of ΣΩ")


class LayerSummary(NamedTuple):
    """The entries of Ω in one layer; a layer of no entries has a mean and quantiles of NaN."""

    layer: str
    """The module's path; the parameter's own name where it belongs to the model itself."""
    entries: int
    """How many entries its parameters have together."""
    mean: float
    q05: float
    """The 5 % quantile, exactly, with linear interpolation between entries; the next ones likewise."""
    q50: float
    q95: float
    q99: float
    maximum: float
    share: float
    """Of the sum of Ω over all layers, in [0, 1]; 0 where that sum is 0."""


@dataclass(frozen=True)
class Summary:
    """Mean, quantiles and share of the total of Ω by layer. `print` shows it as a table.

    Attributes:
        rows: one for each layer, in the model's order.
        total: the same for all entries together.
        samples: N; 0 where Ω is of several tasks, each a mean of its own.
        measure: what was measured.
    """

    rows: tuple[LayerSummary, ...]
    total: LayerSummary
    samples: int
    measure: Measure

    @property
    @deprecated("Summary.kind is now Summary.measure, which has fields")
    def kind(self) -> str:
        """The measure as a string."""
        return str(self.measure)

    def __str__(self) -> str:
        plural = "" if self.samples == 1 else "s"
        of = f", mean over {self.samples:,} sample{plural}" if self.samples else ""
        title = f"Importance ({self.measure}){of}"
        table = [HEADER, *map(_cells, self.rows), _cells(self.total)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [_line(cells, widths) for cells in table]
        rule = "─" * len(lines[0])
        return "\n".join([title, lines[0], rule, *lines[1:-1], rule, lines[-1]])


def summarise(omega: Mapping[str, Tensor], samples: int, measure: Measure) -> Summary:
    """Summarise Ω; quantiles are exact for any number of entries."""
    return summary_of(ranked(omega), samples, measure)


def summary_of(omega: Ranked, samples: int, measure: Measure) -> Summary:
    """Summarise Ω that was sorted before."""
    total = sum_of(omega.together)
    rows = [_row(layer, entries, total) for layer, entries in omega.layers.items()]
    return Summary(tuple(rows), _row("all", omega.together, total), samples, measure)


def _row(layer: str, entries: NDArray[Any], total: float) -> LayerSummary:
    """Return the numbers of some entries in ascending order."""
    if not entries.size:
        nan = math.nan
        return LayerSummary(layer, 0, nan, nan, nan, nan, nan, nan, 0.0)
    own = sum_of(entries)
    q05, q50, q95, q99 = (quantile(entries, level) for level in QUANTILES)
    mean, share = own / entries.size, own / total if total > 0 else 0.0
    return LayerSummary(layer, entries.size, mean, q05, q50, q95, q99, float(entries[-1]), share)


def _cells(row: LayerSummary) -> tuple[str, ...]:
    numbers = [f"{number:.2e}" for number in row[2:8]]
    return (row.layer, f"{row.entries:,}", *numbers, f"{100 * row.share:.1f} %")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *rest])
