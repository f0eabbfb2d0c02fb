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
from benchmarks.commands.speed.peers import avalanche_penalty
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.commands.speed.strategies import PLUGINS, STRATEGY, strategy_steps
from benchmarks.commands.speed.timing import (
    milliseconds,
    name_column,
    named,
    ratio,
    ratio_column,
    ratio_text,
    take_turns,
)
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

NAME = "step"
DESCRIPTION = "a whole training step with the penalty, against the same step without it"
SECONDS = 45.0

CLASSES = 102
PLAIN, CHECKED = "plain", "checked"
GRADIENT, DAMPED, LOSS, AVALANCHE = "add_gradient", "damped", "loss form", "avalanche"
OVER_PLAIN = {
    "checked": CHECKED,
    "gradient": GRADIENT,
    "damped": DAMPED,
    "loss": LOSS,
    "avalanche": AVALANCHE,
}
"""What is compared with the plain step: "checked" only looks for gradients that are not finite."""

ROUNDS, PATIENCE = 11, 45.0
LARGE = 100
"""Batches so large are not measured in strategies, where a task ends with an importance pass."""

CASES = {
    "cpu": [
        ("alexnet", 64),
        ("alexnet", 200),
        ("resnet18", 16),
        ("mobilenet_v2", 16),
        ("mlp", 64),
    ],
    "cuda": [
        *((name, batch) for name in ("alexnet", "resnet50", "vit_b_16") for batch in (64, 200)),
        ("mobilenet_v2", 64),
        ("mlp", 64),
    ],
    "quick": [("squeezenet1_1", 4)],
}
"""Networks of `Setup.network`, and the samples in a batch."""


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure every case: forward, backward, penalty and SGD step with momentum, by form.

    Then the same in Avalanche strategies, see `strategy_steps`.
    """
    rows = {f"{name}, {n}": partial(_measure, name, n, setup) for name, n in CASES[setup.size]}
    yield from measure_rows({}, rows, setup, key="cases")


def _measure(network: str, batch: int, setup: Setup) -> dict[str, Any]:
    forms = (PLAIN, *OVER_PLAIN.values())
    steps = {form: _step(network, batch, setup, form) for form in forms}
    seconds = take_turns(steps, 2 if setup.quick else ROUNDS, setup.wait, PATIENCE)
    steps.clear()
    inside: dict[str, list[float]] = {}
    if batch < LARGE:
        inside = strategy_steps(network, batch, CLASSES, 2 if setup.quick else 5, setup)
    return {
        "seconds": seconds,
        "strategy_seconds": inside,
        **{f"{n}_over_plain": ratio(seconds[f], seconds[PLAIN]) for n, f in OVER_PLAIN.items()},
        "over_strategy": {
            name: ratio(own, inside[STRATEGY]) for name, own in inside.items() if name != STRATEGY
        },
    }


def _step(network: str, batch: int, setup: Setup, form: str) -> Callable[[], None]:
    """Return a training step on one batch, in the second task."""
    model, images = setup.network(network, batch, num_classes=CLASSES)
    labels = torch.randint(CLASSES, (batch,), device=setup.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(model, {name: torch.rand_like(p) for name, p in model.named_parameters()})
    penalised = _into_loss(form, model, penalty)

    def step() -> None:
        optimizer.zero_grad()
        penalised(criterion(model(images), labels)).backward()
        if form == CHECKED:
            all_finite([p.grad for p in model.parameters() if p.grad is not None])
        elif form == GRADIENT:
            penalty.add_gradient(model)
        elif form == DAMPED:
            penalty.add_gradient(model, optimizer=optimizer)
        optimizer.step()

    return step


def _into_loss(
    form: str, model: nn.Module, penalty: QuadraticPenalty
) -> Callable[[Tensor], Tensor]:
    """Return the function that adds the penalty to the loss, if the form does."""
    if form == AVALANCHE:
        return avalanche_penalty(model, penalty)
    if form == LOSS:
        return lambda loss: loss + penalty.value(model)
    return lambda loss: loss


def table(found: dict[str, Any]) -> str:
    """Show the time of the plain step, and the ratios of steps with each form of the penalty to it."""
    plain = milliseconds("plain step, ms", lambda row: statistics.median(row["seconds"][PLAIN]))
    columns: list[Column[Any]] = [
        name_column("network, batch"),
        plain,
        ratio_column("check for NaN / plain", "checked_over_plain"),
        *(ratio_column(f'`penalty="{form}"` / plain', f"{form}_over_plain") for form in FORMS),
        ratio_column("Avalanche's penalty / plain", "avalanche_over_plain"),
    ]
    return bare_markdown(columns, named(found["cases"]))


def strategies(found: dict[str, Any]) -> str:
    """Show the time of a step in an Avalanche strategy, and the ratios of those with a plugin to it."""
    rows = [row for row in named(found["cases"]) if row.get("strategy_seconds")]
    columns: list[Column[Any]] = [
        name_column("network, batch"),
        milliseconds(
            "strategy, ms", lambda row: statistics.median(row["strategy_seconds"][STRATEGY])
        ),
        *(
            Column(f"with {name} / without", partial(_inside, name), ratio_text)
            for name in PLUGINS
            if name != STRATEGY
        ),
    ]
    return bare_markdown(columns, rows)


def _inside(name: str, row: dict[str, Any]) -> dict[str, float]:
    return row["over_strategy"][name]  # type: ignore[no-any-return]


PARTS = {"strategies": strategies}
