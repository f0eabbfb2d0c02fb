"""A whole training step with the penalty, compared with the same step without it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.plugins import FORMS, all_finite
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.commands.speed.timing import name_column, named, ratio, ratio_column, take_turns
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

NAME = "step"
DESCRIPTION = "a whole training step with the penalty, against the same step without it"
SECONDS = 40.0

CLASSES = 102
PLAIN, CHECKED = "plain", "checked"
GRADIENT, DAMPED, LOSS = "add_gradient", "damped", "loss form"
OVER_PLAIN = {
    "checked": CHECKED,
    "gradient": GRADIENT,
    "damped": DAMPED,
    "loss": LOSS,
}
"""What is compared with the plain step: "checked" only looks for gradients that are not finite."""

CASES = {
    "cpu": [("alexnet", 64), ("alexnet", 200), ("resnet18", 16)],
    "cuda": [(name, batch) for name in ("alexnet", "resnet50", "vit_b_16") for batch in (64, 200)],
    "quick": [("squeezenet1_1", 4)],
}
"""Networks of torchvision, and the samples in a batch of images of 224 pixels."""


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure every case: forward, backward, penalty and SGD step with momentum, by form."""
    rows = {f"{name}, {n}": partial(_measure, name, n, setup) for name, n in CASES[setup.size]}
    yield from measure_rows({}, rows, setup, key="cases")


def _measure(network: str, batch: int, setup: Setup) -> dict[str, Any]:
    forms = (PLAIN, *OVER_PLAIN.values())
    steps = {form: _step(network, batch, setup, form) for form in forms}
    seconds = take_turns(steps, 2 if setup.quick else 11, setup.wait)
    return {
        "seconds": seconds,
        "peak_bytes": {form: setup.peak_bytes(call) for form, call in steps.items()},
        **{f"{n}_over_plain": ratio(seconds[f], seconds[PLAIN]) for n, f in OVER_PLAIN.items()},
    }


def _step(network: str, batch: int, setup: Setup, form: str) -> Callable[[], None]:
    """Return a training step on one batch, in the second task."""
    model, images = setup.network(network, batch, num_classes=CLASSES)
    labels = torch.randint(CLASSES, (batch,), device=setup.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(model, {name: torch.rand_like(p) for name, p in model.named_parameters()})

    def step() -> None:
        optimizer.zero_grad()
        loss: Tensor = criterion(model(images), labels)
        if form == LOSS:
            loss = loss + penalty.value(model)
        loss.backward()
        if form == CHECKED:
            all_finite([p.grad for p in model.parameters() if p.grad is not None])
        elif form == GRADIENT:
            penalty.add_gradient(model)
        elif form == DAMPED:
            penalty.add_gradient(model, optimizer=optimizer)
        optimizer.step()

    return step


def table(found: dict[str, Any]) -> str:
    """Show the time of the plain step, and the ratios of steps with each form of the penalty to it."""
    columns: list[Column[Any]] = [
        name_column("network, batch"),
        Column(
            "plain step, ms",
            lambda row: 1e3 * statistics.median(row["seconds"][PLAIN]),
            "{:.1f}".format,
        ),
        ratio_column("check for NaN / plain", "checked_over_plain"),
        *(ratio_column(f'`penalty="{form}"` / plain', f"{form}_over_plain") for form in FORMS),
    ]
    return bare_markdown(columns, named(found["cases"]))
