"""The local form and the vector form, compared with the squared norm of the output.

All measure the same batch of images of 224 pixels, with random weights and ten outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from avalanche_mas.importance import global_importance, local_importance
from benchmarks.commands.speed.setup import GPU_BATCHES, Setup, measured
from benchmarks.commands.speed.timing import markdown, per_sample, ratio, shown, take_turns

NAME = "forms"
DESCRIPTION = "l-MAS and the vector form against the squared-norm form"
SECONDS = 35.0

BATCHES: dict[str, Mapping[str, int]] = {
    "cpu": {"alexnet": 64, "resnet18": 16, "vgg11": 8, "mobilenet_v2": 16, "vit_b_16": 4},
    "cuda": GPU_BATCHES,
    "quick": {"squeezenet1_1": 4},
}
OUTPUTS = 10


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure every network: the seconds of each form in each round, and the ratios."""
    batches = BATCHES[setup.size]
    rows = {name: partial(_measure, name, samples, setup) for name, samples in batches.items()}
    yield from measured({"outputs": OUTPUTS}, rows, setup)


def _measure(name: str, samples: int, setup: Setup) -> dict[str, Any]:
    model, images = setup.network(name, samples, num_classes=OUTPUTS)
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
    """Show the time per sample of the squared-norm form, and the ratios of the others to it."""
    header = (
        *("network", "batch", "squared norm, ms per sample", "l-MAS / squared norm"),
        f"vector form of {found['outputs']} outputs / squared norm",
    )
    rows = (
        (
            *(name, str(row["samples"]), per_sample(found, row, "l2")),
            *(shown(row[f"{form}_over_l2"]) for form in ("local", "vector")),
        )
        for name, row in found["networks"].items()
    )
    return markdown(header, rows)
