"""The local form and the vector form, compared with the squared norm of the output.

All measure the same batch of images of 224 pixels, with random weights and ten outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

from avalanche_mas.importance import global_importance, local_importance
from benchmarks.commands.speed.setup import GPU_BATCHES, Setup, measure_rows
from benchmarks.commands.speed.timing import (
    name_column,
    named,
    per_sample,
    ratio,
    ratio_column,
    take_turns,
)
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

NAME = "forms"
DESCRIPTION = "l-MAS and the vector form against the squared-norm form"
SECONDS = 30.0

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
    yield from measure_rows({"outputs": OUTPUTS}, rows, setup)


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
    vector = f"vector form of {found['outputs']} outputs / squared norm"
    columns = [
        name_column("network"),
        Column("batch", itemgetter("samples")),
        per_sample("squared norm, ms per sample", "l2"),
        ratio_column("l-MAS / squared norm", "local_over_l2"),
        ratio_column(vector, "vector_over_l2"),
    ]
    return bare_markdown(columns, named(found["networks"]))
