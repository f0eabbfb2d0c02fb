"""The entries of Ω in ascending order: quantiles, shares and histograms are read off them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Ranked(NamedTuple):
    """Copies of the entries of Ω in ascending order, float32 or wider."""

    layers: Mapping[str, NDArray[Any]]
    """By layer, in the model's order."""
    together: NDArray[Any]
    """Those of all layers."""


def ranked(omega: Mapping[str, Tensor]) -> Ranked:
    """Sort Ω, of which two copies are made; seconds for 10⁸ entries."""
    layers = {layer: flat(omega, names) for layer, names in by_layer(omega).items()}
    together = np.concatenate(list(layers.values()))
    for entries in (*layers.values(), together):
        entries.sort()
    return Ranked(layers, together)


def by_layer(names: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of the parameters of each module; the model's own are each by itself."""
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(name.rpartition(".")[0] or name, []).append(name)
    return layers


def flat(omega: Mapping[str, Tensor], names: Sequence[str] | Mapping[str, Any]) -> NDArray[Any]:
    """Return a copy of all entries of some parameters one after another, float32 or wider."""
    dtype = torch.float32
    for name in names:
        dtype = torch.promote_types(dtype, omega[name].dtype)
    pieces = [omega[name].reshape(-1).to("cpu", dtype) for name in names]
    array: NDArray[Any] = torch.cat(pieces).numpy()
    return array


def quantile(entries: NDArray[Any], level: float) -> float:
    """Return the quantile of entries in ascending order, at least one: exactly, interpolated linearly."""
    rank = level * (entries.size - 1)
    below = math.floor(rank)
    low, high = float(entries[below]), float(entries[min(below + 1, entries.size - 1)])
    return low + (rank - below) * (high - low)


def sum_of(entries: NDArray[Any]) -> float:
    """Return the sum, in float64."""
    return float(entries.sum(dtype=np.float64))
