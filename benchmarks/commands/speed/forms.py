"""The local form and the vector form beside the squared norm of the output, on the same batch.

Images of 224 pixels, one batch, random weights, ten outputs.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
import torchvision.models as networks
from torch import nn

from avalanche_mas.importance import global_importance, local_importance
from benchmarks.commands.speed.setup import Row, Setup, measured
from benchmarks.commands.speed.timing import ratio, shown, take_turns

NAME = "forms"
DESCRIPTION = "l-MAS and the vector form against the squared-norm form"
SECONDS = 35.0

BATCHES: dict[str, Mapping[str, int]] = {
    "cpu": {"alexnet": 64, "resnet18": 16, "vgg11": 8, "mobilenet_v2": 16, "vit_b_16": 4},
    "cuda": {
        "alexnet": 200,
        "resnet50": 64,
        "vit_b_16": 64,
        "resnet18": 64,
        "vgg11": 32,
        "mobilenet_v2": 64,
    },
    "quick": {"squeezenet1_1": 4},
}
OUTPUTS = 10


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure every network: seconds of each form in each round, and the ratios."""
    rows = [
        Row(name, partial(_measure_network, name, samples, setup))
        for name, samples in BATCHES[setup.size].items()
    ]
    yield from measured({"outputs": OUTPUTS}, rows, setup)


def _measure_network(name: str, samples: int, setup: Setup) -> dict[str, Any]:
    torch.manual_seed(0)
    model: nn.Module = getattr(networks, name)(num_classes=OUTPUTS).to(setup.device)
    images = torch.randn(samples, 3, setup.side, setup.side, device=setup.device)
    seconds = take_turns(
        {
            "l2": lambda: global_importance(model, [images]),
            "local": lambda: local_importance(model, [images]),
            "vector": lambda: global_importance(model, [images], output="vector"),
        },
        2 if setup.quick else 5,
        setup.wait,
    )
    return {
        "samples": samples,
        "seconds": seconds,
        "local_over_l2": ratio(seconds["local"], seconds["l2"]),
        "vector_over_l2": ratio(seconds["vector"], seconds["l2"]),
    }


def table(found: dict[str, Any]) -> str:
    """Show the time per sample of the squared-norm form and what the others take beside it."""
    lines = [
        f"| network | batch | squared norm, ms a sample | l-MAS / squared norm "
        f"| vector form of {found['outputs']} outputs / squared norm |",
        "|---|---|---|---|---|",
    ]
    digits = 3 if "gpu" in found["machine"] else 1
    for name, row in found["networks"].items():
        seconds = statistics.median(row["seconds"]["l2"])
        lines.append(
            f"| {name} | {row['samples']} | {1e3 * seconds / row['samples']:.{digits}f} "
            f"| {shown(row['local_over_l2'])} | {shown(row['vector_over_l2'])} |"
        )
    return "\n".join(lines)
