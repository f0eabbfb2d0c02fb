"""The penalty's time per training step, compared with other forms of it and the memory's speed."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from avalanche_mas.penalty import PIECE, QuadraticPenalty
from benchmarks.commands.speed.peers import avalanche_penalty
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.commands.speed.timing import ratio, ratio_text, take_turns
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

NAME = "penalty"
DESCRIPTION = "the penalty's seconds per training step, against Avalanche's own"
SECONDS = 50.0

NETWORKS = {"cpu": ["alexnet"], "cuda": ["alexnet", "vit_l_16"], "quick": ["squeezenet1_1"]}
STRENGTH, RATE = 0.5, 0.1
H = 2 * STRENGTH
TRAFFIC = 20
"""Bytes to move per float32 parameter: read θ, θ*, Ω and the gradient, write the gradient."""

SMALL = 1 << 15
"""Elements of a piece that stays in the cache of one core; the most that torch leaves to one thread."""

AVALANCHE, GRADIENT, LOSS = "avalanche", "add_gradient", "loss form"
BARE, PIECES, THREADS = "bare loop", "small pieces", "own threads"
FOREACH, COMPILED = "foreach", "compiled"
MEMORY, COPY = "memory", "copy"
DAMPED = "damped "
"""The names of contenders that damp the gradient begin with it."""

CALLS = {"cpu": 1, "cuda": 10}
"""Steps in a turn: on a GPU several, as in training, where a step is queued while others are at work."""

Calls = dict[str, Callable[[], object]]
Tensors = list[Tensor]


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Time a step with each form of the penalty, plain and damped; the contenders take turns.

    "avalanche" is `before_backward` of Avalanche's MASPlugin and its share of the backward pass, and
    "loss form" is `QuadraticPenalty.value` and its share. "foreach" is the same arithmetic on whole
    lists of tensors, as the method does it on a GPU without Triton, and "compiled" is what
    torch.compile makes of it, where there is a C++ compiler. "memory" is a dot product u·v and
    y += a x on vectors with one entry per parameter: four reads and a write, as many as the penalty
    needs, with next to no arithmetic. "copy" copies such a vector. "bare loop" is the penalty's
    arithmetic on such vectors in the same pieces, without names, shapes, checks and growth; "small
    pieces" the same in pieces of `SMALL` elements for each thread, and "own threads" in such pieces
    by a pool of Python's threads. The last two are for a CPU, whose full sizes leave out "foreach".

    Yields:
        The seconds per step in every turn, and the memory's bandwidth in bytes per second, from the
        fastest turn of "memory" and of "copy". The memory bound is the time of "memory". A network
        whose forms disagree about the gradient fails.
    """
    rows = {name: partial(_measure, name, setup) for name in NETWORKS[setup.size]}
    yield from measure_rows({}, rows, setup)


def _measure(name: str, setup: Setup) -> dict[str, Any]:
    model, _ = setup.network(name, 1, num_classes=102)
    forms = _forms(model, everyone=setup.size != "cpu")
    _check_agreement(model, forms)
    parameters = sum(p.numel() for p in model.parameters())
    limits = _limits(parameters, setup.device)
    calls = CALLS[setup.device.type]
    turns = {name: partial(_repeat, call, calls) for name, call in (forms | limits).items()}
    taken = take_turns(turns, 2 if setup.quick else 11, setup.wait)
    seconds = {name: [each / calls for each in turn] for name, turn in taken.items()}
    return {
        "parameters": parameters,
        "seconds": seconds,
        "bytes_per_second": TRAFFIC * parameters / min(seconds[MEMORY]),
        "copy_bytes_per_second": 8 * parameters / min(seconds[COPY]),
    }


def _repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def table(found: dict[str, Any]) -> str:
    """Show the median times per step, and the ratios to `add_gradient` and to the memory bound."""
    on_gpu = "gpu" in found.get("machine", {})
    return "\n\n".join(_table(name, row, on_gpu) for name, row in found["networks"].items())


_TITLES = {
    AVALANCHE: "Avalanche's MASPlugin",
    LOSS: '`penalty="loss"`',
    GRADIENT: '`penalty="gradient"`',
    DAMPED + GRADIENT: '`penalty="damped"`',
    **{
        damped + name: f"{title}, {damped or 'plain'}"
        for name, title in {
            BARE: "its arithmetic in a bare loop",
            PIECES: "in pieces for the cache of one core",
            THREADS: "in such pieces, by threads of its own",
            FOREACH: "by `torch._foreach_*`",
            COMPILED: "by `torch.compile`",
        }.items()
        for damped in ("", DAMPED)
    },
}


def _table(name: str, row: Mapping[str, Any], on_gpu: bool) -> str:
    seconds = row["seconds"]

    def over(form: str, other: str) -> str:
        return "1" if form == other else ratio_text(ratio(seconds[form], seconds[other]))

    def share(form: str) -> str:
        speed = TRAFFIC * row["parameters"] / statistics.median(seconds[form])
        return f"{100 * speed / row['copy_bytes_per_second']:.0f}"

    columns: list[Column[str]] = [
        Column("penalty", lambda form: _TITLES[form].strip()),
        Column(
            "ms per step",
            lambda form: 1e3 * statistics.median(seconds[form]),
            lambda ms: f"{ms:.{1 if ms >= 10 else 2}f}",
        ),
        Column("/ in-place gradient", lambda form: over(form, GRADIENT)),
        Column("/ memory bound", lambda form: over(form, MEMORY)),
    ]
    if on_gpu:
        columns.append(Column("20 bytes per parameter, % of a copy's speed", share))
    return (
        f"{name}, {row['parameters'] / 1e6:.1f} M parameters; "
        f"memory at {row['bytes_per_second'] / 1e9:.1f} GB/s\n\n"
        f"{bare_markdown(columns, [form for form in _TITLES if form in seconds])}"
    )


def _forms(model: nn.Module, everyone: bool) -> Calls:
    """Return the functions that add the penalty's gradient to the gradients, by name."""
    omega = {name: torch.rand_like(p) for name, p in model.named_parameters()}
    penalty = QuadraticPenalty(STRENGTH)
    penalty.consolidate(model, omega)
    for p in model.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.01)
        p.grad = torch.zeros_like(p)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    avalanche, device = avalanche_penalty(model, penalty), next(model.parameters()).device
    forms: Calls = {
        AVALANCHE: lambda: avalanche(torch.ones(1, device=device)).backward(),
        GRADIENT: lambda: penalty.add_gradient(model),
        DAMPED + GRADIENT: lambda: penalty.add_gradient(model, optimizer=optimizer),
        LOSS: lambda: penalty.value(model).backward(),
    }
    whole = {FOREACH: _foreach} if everyone else {}
    if any(map(shutil.which, ("g++", "clang++"))):
        whole[COMPILED] = torch.compile(_one_by_one)
    for name, add in whole.items():
        forms[name] = _whole(model, penalty, add, None)
        forms[DAMPED + name] = _whole(model, penalty, add, RATE)
    return forms


def _whole(
    model: nn.Module, penalty: QuadraticPenalty, add: Callable[..., None], rate: float | None
) -> Callable[[], None]:
    """Return a form that works on whole lists of gradients, Ω, θ and θ*."""
    omegas, anchors = list(penalty.importance.values()), list(penalty.anchors.values())
    parameters = [parameter.data for parameter in model.parameters()]
    return lambda: add([p.grad for p in model.parameters()], omegas, parameters, anchors, rate)


def _foreach(
    gradients: Tensors, omegas: Tensors, parameters: Tensors, anchors: Tensors, rate: float | None
) -> None:
    buffers = torch._foreach_sub(parameters, anchors)
    torch._foreach_addcmul_(gradients, omegas, buffers, value=H)
    if rate is not None:
        del buffers
        buffers = torch._foreach_mul(omegas, H * rate)
        torch._foreach_add_(buffers, 1.0)
        torch._foreach_div_(gradients, buffers)


def _one_by_one(
    gradients: Tensors, omegas: Tensors, parameters: Tensors, anchors: Tensors, rate: float | None
) -> None:
    for gradient, omega, theta, anchor in zip(gradients, omegas, parameters, anchors, strict=True):
        gradient.add_(H * omega * (theta - anchor))
        if rate is not None:
            gradient.div_(1 + H * rate * omega)


def _limits(elements: int, device: torch.device) -> Calls:
    """Return the lower bounds for any penalty on as many parameters, and bare loops, by name."""
    theta, anchor, omega, gradient = (torch.rand(elements, device=device) for _ in range(4))
    tensors = (gradient, omega, theta, anchor)
    threads = torch.get_num_threads()
    on_cpu = device.type == "cpu"

    def memory() -> None:
        theta.dot(anchor)
        gradient.add_(omega, alpha=1e-3)

    limits: Calls = {MEMORY: memory, COPY: lambda: theta.copy_(anchor)}
    for name, rate in {"": None, DAMPED: RATE}.items():
        limits[name + BARE] = _loop(tensors, PIECE * threads if on_cpu else elements, rate)
        if on_cpu:
            limits[name + PIECES] = _loop(tensors, SMALL * threads, rate)
            limits[name + THREADS] = _own_threads(tensors, threads, rate)
    return limits


def _loop(tensors: Sequence[Tensor], size: int, rate: float | None) -> Callable[[], None]:
    """Return the penalty's arithmetic on the gradient, Ω, θ and θ*, a piece after the other."""
    pieces = [tensor.split(size) for tensor in tensors]
    buffer = torch.empty_like(pieces[0][0])
    one = torch.ones((), device=buffer.device)

    def loop() -> None:
        for gradient, omega, theta, anchor in zip(*pieces, strict=True):
            out = buffer[: len(gradient)]
            gradient.addcmul_(omega, torch.sub(theta, anchor, out=out), value=H)
            if rate is not None:
                gradient.div_(torch.add(one, omega, alpha=H * rate, out=out))

    return loop


def _own_threads(
    tensors: Sequence[Tensor], threads: int, rate: float | None
) -> Callable[[], object]:
    """Return the same, in which each thread takes small pieces of its own stretch."""
    pool = ThreadPoolExecutor(threads)
    stretches = zip(*(tensor.chunk(threads) for tensor in tensors), strict=True)
    loops = [_loop(stretch, SMALL - 1, rate) for stretch in stretches]
    return lambda: list(pool.map(lambda loop: loop(), loops))


def _check_agreement(model: nn.Module, forms: Calls) -> None:
    results = {}
    for name, form in forms.items():
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        form()
        results[name] = [p.grad for p in model.parameters()]
    for reference in (LOSS, DAMPED + GRADIENT):
        damped = reference.startswith(DAMPED)
        for name in forms:
            if name.startswith(DAMPED) == damped:
                for actual, expected in zip(results[name], results[reference], strict=True):
                    if not torch.allclose(actual, expected, rtol=1e-4, atol=1e-7):  # type: ignore[arg-type]
                        raise RuntimeError(f"{name!r} and {reference!r} give different gradients")
