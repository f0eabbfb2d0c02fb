"""The penalty's time per training step on AlexNet, beside Avalanche's and the memory's own speed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from avalanche.training.plugins import MASPlugin as AvalanchePlugin
from avalanche.training.utils import ParamData
from torch import Tensor, nn
from torchvision import models as networks

from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.penalty.quadratic import PIECE
from benchmarks.commands.speed.timing import ratio, shown, take_turns

NAME = "penalty"
DESCRIPTION = "seconds per training step that the penalty costs on AlexNet, beside Avalanche's own"

STRENGTH = 0.5
TRAFFIC = 20
"""Bytes that have to move per float32 parameter: read θ, θ*, Ω and the gradient, write the gradient."""

AVALANCHE, GRADIENT, LOSS = "avalanche", "add_gradient", "loss form"
BARE, MEMORY = "bare loop", "memory"


def measure(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Times, taking turns, what a step costs with each form of the penalty.

    "avalanche" is `before_backward` of Avalanche's MASPlugin and its share of the backward pass;
    "loss form" is `QuadraticPenalty.value` and its share; "memory" is a dot product u·v and
    y += a x on vectors as long as the model has parameters: four reads and a write, as many as the
    penalty needs, with next to no arithmetic. "bare loop" is the penalty's arithmetic on such
    vectors in the same pieces, without names, shapes, checks and growth.

    Args:
        quick: A small network and few rounds: to see that it works.
        progress: Told what is going on.

    Returns:
        Seconds of every turn, the ratios round by round, and the memory's bandwidth in bytes per
        second, from the fastest turn of "memory". The memory bound is what "memory" takes.

    Raises:
        RuntimeError: The forms disagree about the gradient.
    """
    torch.manual_seed(0)
    name, rounds = ("squeezenet1_1", 2) if quick else ("alexnet", 11)
    model: nn.Module = getattr(networks, name)(num_classes=102)
    forms = _forms(model)
    _check_agreement(model, forms)
    parameters = _count(model)
    progress(f"{name}, {parameters / 1e6:.1f} M parameters, {rounds} rounds")
    seconds = take_turns({**forms, **_limits(parameters)}, rounds)
    return {
        "network": name,
        "parameters": parameters,
        "seconds": seconds,
        "bytes_per_second": TRAFFIC * parameters / min(seconds[MEMORY]),
        "avalanche_over_gradient": ratio(seconds[AVALANCHE], seconds[GRADIENT]),
        "loss_over_gradient": ratio(seconds[LOSS], seconds[GRADIENT]),
        "gradient_over_bare": ratio(seconds[GRADIENT], seconds[BARE]),
        "gradient_over_bound": ratio(seconds[GRADIENT], seconds[MEMORY]),
    }


def table(found: dict[str, Any]) -> str:
    """Shows the median times per step, and the ratios to `add_gradient` and to the memory bound."""
    seconds = {name: 1e3 * statistics.median(turns) for name, turns in found["seconds"].items()}
    return "\n".join(
        [
            f"{found['network']}, {found['parameters'] / 1e6:.1f} M parameters; "
            f"memory at {found['bytes_per_second'] / 1e9:.1f} GB/s",
            "",
            "| penalty | ms a step | / in-place gradient |",
            "|---|---|---|",
            f"| Avalanche's MASPlugin | {seconds[AVALANCHE]:.1f} "
            f"| {shown(found['avalanche_over_gradient'])} |",
            f'| `penalty="loss"` | {seconds[LOSS]:.1f} | {shown(found["loss_over_gradient"])} |',
            f'| `penalty="gradient"` | {seconds[GRADIENT]:.1f} | 1 |',
            "",
            f"In-place gradient / the same arithmetic in a bare loop: "
            f"{shown(found['gradient_over_bare'])}; / memory bound: "
            f"{shown(found['gradient_over_bound'])}",
        ]
    )


def _forms(model: nn.Module) -> dict[str, Callable[[], None]]:
    """What adds the penalty's gradient to the gradients, by name."""
    omega = {name: torch.rand_like(p) for name, p in model.named_parameters()}
    penalty = QuadraticPenalty(STRENGTH)
    penalty.consolidate(model, omega)
    for p in model.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.01)
        p.grad = torch.zeros_like(p)
    return {
        AVALANCHE: _avalanche(model, penalty),
        GRADIENT: lambda: penalty.add_gradient(model),
        LOSS: lambda: penalty.value(model).backward(),
    }


def _avalanche(model: nn.Module, penalty: QuadraticPenalty) -> Callable[[], None]:
    plugin = AvalanchePlugin(lambda_reg=STRENGTH)
    plugin.importance = _as_avalanche_has_it(penalty.importance)
    plugin.params = _as_avalanche_has_it(penalty.anchors)

    def step() -> None:
        # In the second task; the plugin wants a loss that is not zero.
        strategy = SimpleNamespace(
            model=model, loss=torch.ones(1), clock=SimpleNamespace(train_exp_counter=1)
        )
        plugin.before_backward(strategy)
        strategy.loss.backward()

    return step


def _as_avalanche_has_it(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {name: ParamData(name, init_tensor=tensor) for name, tensor in tensors.items()}


def _limits(elements: int) -> dict[str, Callable[[], None]]:
    """What no penalty of as many parameters can be expected to beat, by name."""
    theta, anchor, omega, gradient = (torch.rand(elements) for _ in range(4))
    pieces = [tensor.split(PIECE) for tensor in (gradient, omega, theta, anchor)]
    difference = torch.empty(PIECE)

    def bare() -> None:
        for grad, weight, new, old in zip(*pieces, strict=True):
            out = difference[: len(grad)]
            grad.addcmul_(weight, torch.sub(new, old, out=out), value=2 * STRENGTH)

    def memory() -> None:
        theta.dot(anchor)
        gradient.add_(omega, alpha=1e-3)

    return {BARE: bare, MEMORY: memory}


def _check_agreement(model: nn.Module, forms: Mapping[str, Callable[[], None]]) -> None:
    results = {}
    for name, form in forms.items():
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        form()
        results[name] = [p.grad for p in model.parameters()]
    for name, gradients in results.items():
        for actual, expected in zip(gradients, results[LOSS], strict=True):
            if not torch.allclose(actual, expected, rtol=1e-4, atol=1e-7):  # type: ignore[arg-type]
                raise RuntimeError(f"{name!r} and {LOSS!r} give different gradients")


def _count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
