"""The ways to sum |g_k| of a convolution's weight, layer by layer, and which of them the rule takes.

Each distinct convolution of a network gets random gradients at its output and a random input after ReLU.
The gradient of the whole batch is the bound: no way that looks at every sample does less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn

from avalanche_mas.importance.gradients.convolution import Convolution
from avalanche_mas.importance.gradients.convolved import Fold, Windows
from avalanche_mas.importance.gradients.layers import convolution
from avalanche_mas.importance.gradients.layout import Layout
from avalanche_mas.importance.gradients.persample import PerSample
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.commands.speed.timing import name_column, named, take_turns
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

NAME = "layers"
DESCRIPTION = "the ways to sum a convolution's per-sample gradients, layer by layer"
SECONDS = 0.0  # on a GPU each layer tries its ways

NETWORKS: dict[str, Mapping[str, int]] = {
    "cpu": {"alexnet": 8, "resnet18": 8, "vgg11": 8, "mobilenet_v2": 8},
    "quick": {"squeezenet1_1": 2},
}
MAX_BYTES = 256 * 2**20
CHOSEN, PRODUCTS, OWN, BATCH = "chosen", "products", "own gradient", "whole batch"
NEARLY = 1.1


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure every network: for each distinct convolution its uses, and the seconds of every way."""
    batches = NETWORKS["quick" if setup.quick else "cpu"]
    rows = {name: partial(_measure, name, samples, setup) for name, samples in batches.items()}
    yield from measure_rows({}, rows, setup)


def _measure(name: str, samples: int, setup: Setup) -> dict[str, Any]:
    model, images = setup.network(name, samples)
    layers = [
        {
            "uses": len(uses),
            "input": list(uses[0][1].shape[1:]),
            "output": list(uses[0][2].shape[1:]),
            "kernel": list(uses[0][0].kernel_size),
            "seconds": take_turns(_ways(*uses[0]), 2 if setup.quick else 7, setup.wait),
        }
        for uses in _distinct(_convolutions(model, images))
    ]
    return {"samples": samples, "layers": layers}


_Use = tuple[nn.Conv2d, Tensor, Tensor]
"""A convolution, an input [B, I, H, W] and a gradient at its output [B, O, H', W']."""


def _convolutions(model: nn.Module, images: Tensor) -> list[_Use]:
    uses: list[_Use] = []

    def note(module: nn.Conv2d, inputs: tuple[Tensor], output: Tensor) -> None:
        uses.append((module, torch.relu(torch.randn_like(inputs[0])), torch.randn_like(output)))

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    with torch.no_grad():
        model.eval()(images)
    return uses


def _distinct(uses: list[_Use]) -> list[list[_Use]]:
    groups: dict[Any, list[_Use]] = {}
    for module, images, delta in uses:
        key = (images.shape, delta.shape, module.kernel_size, module.stride, module.groups)
        groups.setdefault(key, []).append((module, images, delta))
    return list(groups.values())


def _ways(module: nn.Conv2d, images: Tensor, delta: Tensor) -> dict[str, Callable[[], object]]:
    weight = module.weight.detach()
    padding = module.padding if isinstance(module.padding, tuple) else (0, 0)
    geometry = (module.stride, padding, module.dilation, module.groups)
    conv = Convolution(module.kernel_size, *geometry)
    chosen = convolution(delta, Layout(0, len(delta), 1), images, weight, None, *geometry)["weight"]
    described: dict[str, PerSample] = {
        CHOSEN: chosen,
        OWN: Fold(delta[:, None], images[:, None], conv, weight.shape),
        BATCH: Fold(delta[None], images[None], conv, weight.shape),
    }
    if module.groups == 1:
        described[PRODUCTS] = Windows(delta[:, None], images[:, None], conv, weight.shape)
    total = torch.zeros_like(weight)
    return {
        name: partial(part.add_sum, torch.abs, total, MAX_BYTES) for name, part in described.items()
    }


def table(found: dict[str, Any]) -> str:
    """Show each network's milliseconds per sample over all of its convolutions, by way."""
    columns: list[Column[Any]] = [
        name_column("network"),
        Column("batch", itemgetter("samples")),
        *(
            Column(title, partial(_milliseconds, pick), "{:.1f}".format)
            for title, pick in _PICKS.items()
        ),
        Column(f"layers whose choice takes at most {NEARLY:g} of the quickest", _well_chosen),
    ]
    return bare_markdown(columns, named(found["networks"]))


_PICKS: dict[str, Callable[[Mapping[str, float]], float]] = {
    "chosen, ms per sample": itemgetter(CHOSEN),
    "the quickest of each layer": lambda ways: min(_exact(ways).values()),
    "products alone": lambda ways: ways.get(PRODUCTS, ways[OWN]),
    "own gradients alone": itemgetter(OWN),
    "bound: the gradient of the batch": itemgetter(BATCH),
}


def _exact(ways: Mapping[str, float]) -> dict[str, float]:
    """Return the ways that give Ω."""
    return {name: seconds for name, seconds in ways.items() if name != BATCH}


def _least(layer: Mapping[str, Any]) -> dict[str, float]:
    return {name: min(times) for name, times in layer["seconds"].items()}


def _milliseconds(pick: Callable[[Mapping[str, float]], float], row: Mapping[str, Any]) -> float:
    total: float = sum(layer["uses"] * pick(_least(layer)) for layer in row["layers"])
    return 1e3 * total / int(row["samples"])


def _well_chosen(row: Mapping[str, Any]) -> str:
    ways = [_exact(_least(layer)) for layer in row["layers"]]
    good = sum(times[CHOSEN] <= NEARLY * min(times.values()) for times in ways)
    return f"{good} of {len(ways)}"
