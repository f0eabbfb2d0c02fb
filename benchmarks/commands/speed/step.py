"""A whole training step with the penalty, beside the same step without it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision import models as networks

from avalanche_mas.penalty import QuadraticPenalty
from benchmarks.commands.speed.setup import Row, Setup, measured
from benchmarks.commands.speed.timing import ratio, shown, take_turns

NAME = "step"
DESCRIPTION = "a whole training step with the penalty, beside the same step without it"
SECONDS = 40.0

CLASSES = 102
PLAIN = "plain"


class Case(NamedTuple):
    """A network of torchvision, and the samples in a batch of images of 224 pixels."""

    network: str
    batch: int


CASES = {
    "cpu": [Case("alexnet", 64), Case("alexnet", 200), Case("resnet18", 16)],
    "cuda": [Case(name, n) for name in ("alexnet", "resnet50", "vit_b_16") for n in (64, 200)],
    "quick": [Case("squeezenet1_1", 4)],
}


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure every case: forward, backward, penalty and SGD step with momentum, by form."""
    rows = [
        Row(f"{case.network}, {case.batch}", partial(_measure, case, setup))
        for case in CASES[setup.size]
    ]
    yield from measured({}, rows, setup, key="cases")


def _measure(case: Case, setup: Setup) -> dict[str, Any]:
    steps = {form: _step(case, setup, form) for form in (PLAIN, "add_gradient", "loss form")}
    seconds = take_turns(steps, 2 if setup.quick else 11, setup.wait)
    return {
        "seconds": seconds,
        "peak_bytes": {form: setup.peak_bytes(call) for form, call in steps.items()},
        "gradient_over_plain": ratio(seconds["add_gradient"], seconds[PLAIN]),
        "loss_over_plain": ratio(seconds["loss form"], seconds[PLAIN]),
    }


def _step(case: Case, setup: Setup, form: str) -> Callable[[], None]:
    """Return a training step on one batch, in the second task."""
    torch.manual_seed(0)
    model: nn.Module = getattr(networks, case.network)(num_classes=CLASSES).to(setup.device)
    images = torch.randn(case.batch, 3, setup.side, setup.side, device=setup.device)
    labels = torch.randint(CLASSES, (case.batch,), device=setup.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(model, {name: torch.rand_like(p) for name, p in model.named_parameters()})

    def step() -> None:
        optimizer.zero_grad()
        loss: Tensor = criterion(model(images), labels)
        if form == "loss form":
            loss = loss + penalty.value(model)
        loss.backward()
        if form == "add_gradient":
            penalty.add_gradient(model)
        optimizer.step()

    return step


def table(found: dict[str, Any]) -> str:
    """Show the plain step's time, and what a step with each form of the penalty takes beside it."""
    lines = [
        '| network, batch | plain step, ms | `penalty="gradient"` / plain '
        '| `penalty="loss"` / plain |',
        "|---|---|---|---|",
    ]
    for name, row in found["cases"].items():
        plain = statistics.median(row["seconds"][PLAIN])
        lines.append(
            f"| {name} | {1e3 * plain:.1f} | {shown(row['gradient_over_plain'])} "
            f"| {shown(row['loss_over_plain'])} |"
        )
    return "\n".join(lines)
