"""What the measurements take as layers, and how they get the per-sample gradients of each parameter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from torch import nn

from avalanche_mas.importance.gradients.ways import GENERAL
from avalanche_mas.importance.local.local_form import LocalSums
from avalanche_mas.importance.local.stretch import Stretch
from avalanche_mas.importance.passes.batches import (
    MAX_BYTES,
    begin_totals,
    chosen_parameters,
    network_of,
    undisturbed,
)
from avalanche_mas.importance.passes.global_form import SampleSums
from avalanche_mas.importance.passes.network import Forward
from avalanche_mas.options import check_option


def stretches(
    model: nn.Module,
    batch: Any,
    *,
    forward: Forward | None = None,
    parameters: Iterable[str] | None = None,
) -> list[Stretch]:
    """Return what `local_importance` takes as the layers of a network.

    Args:
        model: the network.
        batch: a batch, of which the first sample is run.
        forward: as for `local_importance`, and so are ``parameters`` and the errors.
        parameters: names of the parameters (default: those that require a gradient).

    Returns:
        The stretches in the order of their ends: each has the nonlinearity that ends it and the names
        of its parameters, and prints as a line.
    """
    chosen = chosen_parameters(model, parameters)
    with undisturbed(model, chosen) as state:
        network = network_of(model, forward, chosen, state)
        return LocalSums(network, {}, MAX_BYTES).found(batch)


def ways(
    model: nn.Module,
    batch: Any,
    *,
    form: Literal["global", "local"] = "global",
    forward: Forward | None = None,
    parameters: Iterable[str] | None = None,
) -> dict[str, str]:
    """Return how Σ_k |g_k| of each parameter is computed on a batch: by which way of those there are.

    All are exact; they differ in speed. On a CPU the layer's shape decides. On a GPU, the first batch of a
    shape tries PyTorch's operations and a kernel, compares their results, and keeps the quicker. One
    batch is run forward and backward to find out.

    Args:
        model: the network.
        batch: a batch as for `global_importance`, of two samples or more; one alone needs no way.
        form: "global" for `global_importance`, "local" for `local_importance`.
        forward: as for `global_importance`.
        parameters: as for `global_importance`.

    Returns:
        The ways in words by parameter name, in the order of the model's parameters. Those that the
        network does not use are left out.

    Raises:
        TypeError: as for the function that measures that form.
        ValueError: as for that function.
        RuntimeError: as for that function.
    """
    check_option("form", form, ("global", "local"))
    chosen = chosen_parameters(model, parameters)
    begin = SampleSums if form == "global" else LocalSums
    with undisturbed(model, chosen) as state:
        totals = begin_totals(None, chosen, 1.0)
        found = begin(network_of(model, forward, chosen, state), totals, MAX_BYTES).ways(batch)
    return {name: found[name] for name in chosen if name in found}


def without_rule(
    model: nn.Module,
    batch: Any,
    *,
    form: Literal["global", "local"] = "global",
    forward: Forward | None = None,
    parameters: Iterable[str] | None = None,
) -> list[str]:
    """Name the parameters that no layer rule covers, and that take the general path.

    Their Ω is exact, too, but costs more: their gradients are computed sample by sample, or vectorised over
    samples where the network's operations allow that.

    Args:
        model: the network.
        batch: as for `ways`, and so are the other arguments and the errors.
        form: "global" for `global_importance`, "local" for `local_importance`.
        forward: as for `global_importance`.
        parameters: as for `global_importance`.

    Returns:
        Their names, in the order of the model's parameters.
    """
    found = ways(model, batch, form=form, forward=forward, parameters=parameters)
    return [name for name, way in found.items() if way == GENERAL]
