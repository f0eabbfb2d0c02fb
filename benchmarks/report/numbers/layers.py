"""The parameters of a network, and their two importances in the runs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from benchmarks.record.schema import RESULT
from benchmarks.report.numbers.runs import FinishedRun, ReportError, usable
from benchmarks.report.numbers.summary import Stat, stat_of_any

KINDS = ("global", "local")

Entry = dict[str, Any]
"""One run's record of a parameter, see `benchmarks.experiments.studies.local_vs_global.compare`."""


@dataclass(frozen=True)
class Layer:
    """A parameter; dictionaries are by `KINDS`.

    Attributes:
        name: Its name.
        shape: Its shape.
        spearman: The correlation of the ranks, if there is one.
        pearson: The correlation of the logarithms, if there is one.
        zeros: The share of entries that are zero.
        share: The share of the network's total importance.
        ratio: The decimal logarithm of the local median over the global one, of entries above zero;
            None if there are none.
        first: The first run's record, for what cannot be averaged.
    """

    name: str
    shape: tuple[int, ...]
    spearman: Stat | None
    pearson: Stat | None
    zeros: dict[str, Stat]
    share: dict[str, Stat]
    ratio: Stat | None
    first: Entry

    @property
    def size(self) -> int:
        """The number of its entries."""
        return prod(self.shape)

    @property
    def is_weight(self) -> bool:
        """Whether it is more than a bias."""
        return len(self.shape) > 1

    @property
    def title(self) -> str:
        """The end of its layer's name, for figures."""
        return ".".join(self.name.removesuffix(".weight").split(".")[-2:])


def layers(runs: list[FinishedRun]) -> list[Layer]:
    """Return the parameters that the runs compare, in the network's order.

    Raises:
        ReportError: A run has no such comparison, or compares other parameters than the first.
    """
    compared = [_entries(run) for run in runs]
    parameters = [[(entry["name"], entry["shape"]) for entry in entries] for entries in compared]
    for run, own in zip(runs, parameters, strict=True):
        if own != parameters[0]:
            raise ReportError(
                f"{runs[0].folder} and {run.folder} compare different parameters;"
                " report them separately"
            )
    return [_layer(same) for same in zip(*compared, strict=True)]


def _entries(run: FinishedRun) -> list[Entry]:
    """Return a run's record of each parameter, with its `share` of the total by kind."""
    with usable(f"the comparison in {run.folder / RESULT}"):
        entries = [dict(entry) for entry in run.detail("importances")]
        totals = {kind: sum(entry[kind]["sum"] for entry in entries) for kind in KINDS}
        for entry in entries:
            entry["share"] = {kind: entry[kind]["sum"] / totals[kind] for kind in KINDS}
            bins = {len(entry["edges"]) - 1, len(entry["density"])}
            bins |= {len(entry[kind]["counts"]) for kind in KINDS}
            _ratio(entry)
            if len(bins) != 1:
                raise ValueError(f"{entry['name']}: histograms of {sorted(bins)} bins")
        return entries


def _layer(same: tuple[Entry, ...]) -> Layer:
    """Summarise one parameter over all runs."""
    first = same[0]
    return Layer(
        name=first["name"],
        shape=tuple(first["shape"]),
        spearman=stat_of_any([entry["spearman"] for entry in same]),
        pearson=stat_of_any([entry["pearson"] for entry in same]),
        zeros={kind: Stat.of(entry[kind]["zeros"] for entry in same) for kind in KINDS},
        share={kind: Stat.of(entry["share"][kind] for entry in same) for kind in KINDS},
        ratio=stat_of_any([_ratio(entry) for entry in same]),
        first=first,
    )


def _ratio(entry: Entry) -> float | None:
    found = [entry[kind]["quantiles"] for kind in KINDS]
    if None in found:
        return None
    of_global, of_local = (quantiles[len(quantiles) // 2] for quantiles in found)
    return float(of_local - of_global)
