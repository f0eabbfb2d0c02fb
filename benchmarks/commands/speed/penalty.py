"""The penalty's time per training step, compared with other forms of it and the memory's speed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from avalanche.training.plugins import MASPlugin as AvalanchePlugin
from avalanche.training.utils import ParamData
from torch import Tensor, nn

from avalanche_mas.penalty import PIECE, QuadraticPenalty
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.commands.speed.timing import ratio, ratio_text, take_turns
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

NAME = "penalty"
DESCRIPTION = "the penalty's seconds per training step, against Avalanche's own"
SECONDS = 50.0

NETWORKS = {"cpu": ["alexnet"], "cuda": ["alexnet", "vit_l_16"], "quick": ["squeezenet1_1"]}
STRENGTH = 0.5
TRAFFIC = 20
"""Bytes to move per float32 parameter: read θ, θ*, Ω and the gradient, write the gradient."""

AVALANCHE, GRADIENT, LOSS = "avalanche", "add_gradient", "loss form"
FOREACH, COMPILED = "foreach", "compiled"
BARE, MEMORY, COPY = "bare loop", "memory", "copy"


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Time a step with each form of the penalty; the forms take turns.

    "avalanche" is `before_backward` of Avalanche's MASPlugin and its share of the backward pass, and
    "loss form" is `QuadraticPenalty.value` and its share. "foreach" is the same arithmetic on whole
    lists of tensors, and "compiled" is what torch.compile makes of it. "memory" is a dot product u·v
    and y += a x on vectors with one entry per parameter: four reads and a write, as many as the
    penalty needs, with next to no arithmetic. "copy" copies such a vector. "bare loop" is the
    penalty's arithmetic on such vectors in the same pieces, without names, shapes, checks and growth.
    The full sizes of a CPU leave out "foreach" and "compiled".

    Yields:
        The seconds of every turn, the ratios round by round, and the memory's bandwidth in bytes per
        second, from the fastest turn of "memory" and of "copy". The memory bound is the time of
        "memory". A network whose forms disagree about the gradient fails.
    """
    rows = {name: partial(_measure, name, setup) for name in NETWORKS[setup.size]}
    yield from measure_rows({}, rows, setup)


def _measure(name: str, setup: Setup) -> dict[str, Any]:
    model, _ = setup.network(name, 1, num_classes=102)
    forms = _forms(model, everyone=setup.size != "cpu")
    _check_agreement(model, forms)
    parameters = sum(p.numel() for p in model.parameters())
    limits = _limits(parameters, setup.device)
    seconds = take_turns({**forms, **limits}, 2 if setup.quick else 11, setup.wait)
    return {
        "parameters": parameters,
        "seconds": seconds,
        "peak_bytes": {form: setup.peak_bytes(call) for form, call in forms.items()},
        "bytes_per_second": TRAFFIC * parameters / min(seconds[MEMORY]),
        "copy_bytes_per_second": 8 * parameters / min(seconds[COPY]),
        "avalanche_over_gradient": ratio(seconds[AVALANCHE], seconds[GRADIENT]),
        "loss_over_gradient": ratio(seconds[LOSS], seconds[GRADIENT]),
        "gradient_over_bare": ratio(seconds[GRADIENT], seconds[BARE]),
        "gradient_over_bound": ratio(seconds[GRADIENT], seconds[MEMORY]),
    }


def table(found: dict[str, Any]) -> str:
    """Show the median times per step, and the ratios to `add_gradient` and to the memory bound."""
    recorded_once = {found["network"]: found} if "network" in found else {}
    rows = found.get("networks", recorded_once)
    return "\n\n".join(_table(name, row) for name, row in rows.items())


_TITLES = {
    AVALANCHE: "Avalanche's MASPlugin",
    LOSS: '`penalty="loss"`',
    GRADIENT: '`penalty="gradient"`',
    FOREACH: "the same arithmetic by `torch._foreach_*`",
    COMPILED: "the same, by `torch.compile`",
}


def _table(name: str, row: Mapping[str, Any]) -> str:
    seconds = row["seconds"]

    def over(form: str) -> str:
        return "1" if form == GRADIENT else ratio_text(ratio(seconds[form], seconds[GRADIENT]))

    columns: list[Column[str]] = [
        Column("penalty", _TITLES.get),
        Column(
            "ms per step",
            lambda form: 1e3 * statistics.median(seconds[form]),
            lambda ms: f"{ms:.{1 if ms >= 10 else 2}f}",
        ),
        Column("/ in-place gradient", over),
    ]
    return (
        f"{name}, {row['parameters'] / 1e6:.1f} M parameters; "
        f"memory at {row['bytes_per_second'] / 1e9:.1f} GB/s\n\n"
        f"{bare_markdown(columns, [form for form in _TITLES if form in seconds])}\n\n"
        "In-place gradient / the same arithmetic in a bare loop: "
        f"{ratio_text(row['gradient_over_bare'])}; / memory bound: {ratio_text(row['gradient_over_bound'])}"
    )


def _forms(model: nn.Module, everyone: bool) -> dict[str, Callable[[], None]]:
    """Return the functions that add the penalty's gradient to the gradients, by name."""
    omega = {name: torch.rand_like(p) for name, p in model.named_parameters()}
    penalty = QuadraticPenalty(STRENGTH)
    penalty.consolidate(model, omega)
    for p in model.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.01)
        p.grad = torch.zeros_like(p)
    forms: dict[str, Callable[[], None]] = {
        AVALANCHE: _avalanche(model, penalty),
        GRADIENT: lambda: penalty.add_gradient(model),
        LOSS: lambda: penalty.value(model).backward(),
    }
    if everyone:
        forms[FOREACH] = _whole(model, penalty, _foreach)
        forms[COMPILED] = _whole(model, penalty, torch.compile(_one_by_one))
    return forms


Tensors = list[Tensor]


def _whole(
    model: nn.Module,
    penalty: QuadraticPenalty,
    add: Callable[[Tensors, Tensors, Tensors, Tensors], None],
) -> Callable[[], None]:
    """Return a form that works on whole lists of gradients, Ω, θ and θ*."""
    omegas, anchors = list(penalty.importance.values()), list(penalty.anchors.values())
    parameters = [parameter.data for parameter in model.parameters()]

    def step() -> None:
        add([p.grad for p in model.parameters()], omegas, parameters, anchors)  # type: ignore[misc]

    return step


def _foreach(gradients: Tensors, omegas: Tensors, parameters: Tensors, anchors: Tensors) -> None:
    differences = torch._foreach_sub(parameters, anchors)
    torch._foreach_addcmul_(gradients, omegas, differences, value=2 * STRENGTH)


def _one_by_one(gradients: Tensors, omegas: Tensors, parameters: Tensors, anchors: Tensors) -> None:
    for gradient, omega, theta, anchor in zip(gradients, omegas, parameters, anchors, strict=True):
        gradient.add_(2 * STRENGTH * omega * (theta - anchor))


def _avalanche(model: nn.Module, penalty: QuadraticPenalty) -> Callable[[], None]:
    plugin = AvalanchePlugin(lambda_reg=STRENGTH)
    plugin.importance = {
        name: ParamData(name, init_tensor=t) for name, t in penalty.importance.items()
    }
    plugin.params = {name: ParamData(name, init_tensor=t) for name, t in penalty.anchors.items()}
    device = next(model.parameters()).device

    def step() -> None:
        # In the second task; the plugin needs a loss other than zero.
        strategy = SimpleNamespace(
            model=model,
            loss=torch.ones(1, device=device),
            clock=SimpleNamespace(train_exp_counter=1),
        )
        plugin.before_backward(strategy)
        strategy.loss.backward()

    return step


def _limits(elements: int, device: torch.device) -> dict[str, Callable[[], object]]:
    """Return the lower bounds for any penalty on as many parameters, by name."""
    theta, anchor, omega, gradient = (torch.rand(elements, device=device) for _ in range(4))
    size = PIECE * torch.get_num_threads() if device.type == "cpu" else elements
    pieces = [tensor.split(size) for tensor in (gradient, omega, theta, anchor)]
    difference = torch.empty(size, device=device)

    def bare() -> None:
        for grad, weight, new, old in zip(*pieces, strict=True):
            out = difference[: len(grad)]
            grad.addcmul_(weight, torch.sub(new, old, out=out), value=2 * STRENGTH)

    def memory() -> None:
        theta.dot(anchor)
        gradient.add_(omega, alpha=1e-3)

    return {BARE: bare, MEMORY: memory, COPY: lambda: theta.copy_(anchor)}


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
