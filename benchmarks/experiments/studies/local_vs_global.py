"""A run of local-vs-global: both importances after one task, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.stats import rankdata
from torch import Tensor

from avalanche_mas import LocalMASPlugin, MASPlugin
from benchmarks.experiments.studies.study import Study

if TYPE_CHECKING:
    from avalanche.core import SupervisedPlugin

    from avalanche_mas.streams import TaskBenchmark
    from benchmarks.record.schema import Distribution, StudyResult, TwoOmegas
    from benchmarks.record.settings import Settings

Values: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"

BINS = 24
"""Bins of the histograms."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class TwoImportances(Study):
    """A run of plain training, at whose end both importances are measured on the training data.

    Both plugins have strength 0; with one task there is no penalty anyway.
    """

    def __init__(self, settings: Settings, stream: TaskBenchmark) -> None:
        super().__init__(settings, stream)
        self.both = {"global": MASPlugin(0.0, accumulation="sum"), "local": LocalMASPlugin(0.0)}

    def observers(self) -> list[SupervisedPlugin]:
        """Return the plugins that measure."""
        return list(self.both.values())

    def state_dict(self) -> dict[str, float]:
        """Return how long each measurement took."""
        return {n: mas.importance_seconds for n, mas in self.both.items()}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from a `state_dict`."""
        for name, mas in self.both.items():
            mas.importance_seconds = state[name]

    def result(self) -> StudyResult:
        """Return the comparison parameter by parameter, and how long each measurement took."""
        return {
            "importances": compare(self.both["global"].importance, self.both["local"].importance),
            "importance_seconds": self.state_dict(),
        }


def compare(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[TwoOmegas]:
    """Compare the global with the local importance.

    Args:
        one: The global importance by parameter name.
        other: The local importance, of the same names and shapes.

    Returns:
        For each parameter, in order: its `name` and `shape`; `spearman`, the rank correlation over
        all entries; `pearson`, the correlation of the decimal logarithms over the entries above zero
        in both, `None` with fewer than two different values; `edges`, the bins of both logarithms;
        `density`, the number of entries above zero in both by bin (a string of numbers for each bin
        of the global importance); and the `Distribution` of each, with its quantiles at `QUANTILES`.

    Raises:
        ValueError: The names differ.
    """
    if one.keys() != other.keys():
        differing = sorted(one.keys() ^ other.keys())
        raise ValueError(f"only one of the two importances has {differing}")
    return [_compare(name, one[name], other[name]) for name in one]


def _compare(name: str, one: Tensor, other: Tensor) -> TwoOmegas:
    a, b = (omega.detach().double().cpu().numpy().ravel() for omega in (one, other))
    both = (a > 0) & (b > 0)
    x, y = np.log10(a[both]), np.log10(b[both])
    edges = _edges(np.concatenate([np.log10(a[a > 0]), np.log10(b[b > 0])]))
    density = np.histogram2d(x, y, bins=(edges, edges))[0].astype(int)
    return {
        "name": name,
        "shape": list(one.shape),
        "spearman": _correlation(rankdata(a), rankdata(b)),
        "pearson": _correlation(x, y),
        "edges": edges.tolist(),
        "density": [" ".join(map(str, row)) for row in density],
        "global": _describe(a, edges),
        "local": _describe(b, edges),
    }


def _describe(omega: Values, edges: Values) -> Distribution:
    logarithms = np.log10(omega[omega > 0])
    return {
        "sum": float(omega.sum()),
        "zeros": float((omega == 0).mean()),
        "quantiles": np.quantile(logarithms, QUANTILES).tolist() if len(logarithms) else None,
        "counts": np.histogram(logarithms, edges)[0].tolist(),
    }


def _edges(logarithms: Values) -> Values:
    """Return the edges of `BINS` equal bins over the range of the values, or over 1 if it is empty."""
    low, high = (logarithms.min(), logarithms.max()) if len(logarithms) else (0.0, 0.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def _correlation(x: Values, y: Values) -> float | None:
    """Return Pearson's correlation, `None` if either side is constant."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1.0, 1.0))
