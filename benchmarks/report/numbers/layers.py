"""The importance of a network's layers in the runs: after every task, or two forms side by side."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal, NamedTuple, TypeAlias

from benchmarks.record.schema import OMEGA, RESULT, OmegaByLayer, OmegaOfLayer, TwoOmegas
from benchmarks.report.names import in_order
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.runs import FinishedRun, ReportError, read_object, usable
from benchmarks.report.numbers.summary import Stat, stat_of_any

KINDS: tuple[Literal["global", "local"], ...] = ("global", "local")


@dataclass(frozen=True)
class Layer:
    """A parameter and its two importances, over the runs; dictionaries are by `KINDS`.

    `spearman` correlates the ranks, `pearson` the logarithms. `zeros` is the share of entries
    that are zero, `share` that of the network's total importance, and `ratio` the decimal
    logarithm of the local median over the global one, of entries above zero. `first` is the
    first run's record, for what cannot be averaged.
    """

    name: str
    shape: tuple[int, ...]
    spearman: Stat | None
    pearson: Stat | None
    zeros: dict[str, Stat]
    share: dict[str, Stat]
    ratio: Stat | None
    first: TwoOmegas

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
    """Return the parameters that the runs compare, in the network's order."""
    compared = [_entries(run) for run in runs]
    parameters = [[(e.omegas["name"], e.omegas["shape"]) for e in own] for own in compared]
    for run, own in zip(runs, parameters, strict=True):
        if own != parameters[0]:
            raise ReportError(
                f"{runs[0].folder} and {run.folder} compare different parameters;"
                " report them separately"
            )
    return [_layer(same) for same in zip(*compared, strict=True)]


class _Entry(NamedTuple):
    """One run's record of a parameter, and its share of the network's total importance by kind."""

    omegas: TwoOmegas
    share: dict[str, float]


def _entries(run: FinishedRun) -> list[_Entry]:
    with usable(run.folder / RESULT, "the comparison"):
        entries: list[TwoOmegas] = run.detail("importances")
        totals = {kind: sum(entry[kind]["sum"] for entry in entries) for kind in KINDS}
        for entry in entries:
            bins = {len(entry["edges"]) - 1, len(entry["density"])}
            bins |= {len(entry[kind]["counts"]) for kind in KINDS}
            _ratio(entry)
            if len(bins) != 1:
                raise ValueError(f"{entry['name']}: histograms of {sorted(bins)} bins")
        return [_Entry(e, {k: e[k]["sum"] / totals[k] for k in KINDS}) for e in entries]


def _layer(entries: tuple[_Entry, ...]) -> Layer:
    """Summarise one parameter over all runs."""
    same, first = [entry.omegas for entry in entries], entries[0].omegas
    return Layer(
        name=first["name"],
        shape=tuple(first["shape"]),
        spearman=stat_of_any([entry["spearman"] for entry in same]),
        pearson=stat_of_any([entry["pearson"] for entry in same]),
        zeros={kind: Stat.of(entry[kind]["zeros"] for entry in same) for kind in KINDS},
        share={kind: Stat.of(entry.share[kind] for entry in entries) for kind in KINDS},
        ratio=stat_of_any([_ratio(entry) for entry in same]),
        first=first,
    )


def _ratio(entry: TwoOmegas) -> float | None:
    one, other = entry["global"]["quantiles"], entry["local"]["quantiles"]
    if one is None or other is None:
        return None
    return float(other[len(other) // 2] - one[len(one) // 2])


Trainings: TypeAlias = list[list[OmegaOfLayer]]
"""The layers after each training of one run."""


def omega_by_layer(group: Group) -> dict[str, list[Trainings]]:
    """Return for each method the layers after every training, of its runs that recorded Ω."""
    found = {
        method: [_layers(run) for run in group.runs[method] if (run.folder / OMEGA).exists()]
        for method in in_order(group.runs)
    }
    return {method: runs for method, runs in found.items() if runs}


def _layers(run: FinishedRun) -> Trainings:
    file = run.folder / OMEGA
    trainings: Trainings = read_object(file, OmegaByLayer)["layers"]
    with usable(file, "Ω"):
        if len(trainings) != len(run.config["tasks"]):
            raise ValueError(f"{len(trainings)} trainings for {len(run.config['tasks'])} tasks")
        return list(trainings)
