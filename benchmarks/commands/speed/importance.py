"""The exact pass, compared with a training step, other exact ways and what is nearly the same.

All measure a batch of images of 224 pixels, with random weights, as a part of a pass over `MANY` samples.
The slow ones are timed on a few samples of it and scaled up to all: the exact loop (batch size one) on
`LOOP_SAMPLES`, and per-sample gradients on as many as fit into `peers.BUDGET`, on a CPU at most `FEW`. The
memory of the latter is that of as many as fit.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from avalanche_mas.importance import global_importance, local_importance
from benchmarks.commands.speed import peers
from benchmarks.commands.speed.apart import CPU, apart, growth
from benchmarks.commands.speed.contenders import PARTS, figure, table
from benchmarks.commands.speed.setup import GPU_BATCHES, Setup, measure_rows
from benchmarks.commands.speed.timing import (
    multiplications_per_second,
    precision,
    ratio,
    take_turns,
)

__all__ = ["DESCRIPTION", "NAME", "PARTS", "SECONDS", "figure", "measure", "table"]

NAME = "importance"
DESCRIPTION = "the exact importance pass against other exact ways, Avalanche's and a training step"
SECONDS = 140.0

LOOP_SAMPLES, FEW = 4, 8
MANY = 1_000
"""The samples of the pass that a batch of `CHECKED` ways is timed as a part of."""

CHECKED = ("exact", "local")
"""The ways that first run two samples on their own, once per pass."""

AGREEMENT = 1e-3
"""The largest difference allowed between exact ways, as a share of a parameter's largest entry."""

BATCHES: dict[str, Mapping[str, tuple[int, ...]]] = {
    "cpu": {
        "alexnet": (200, 4),
        "resnet18": (32, 4),
        "vgg11": (16, 2),
        "mobilenet_v2": (32, 4),
        "resnet50": (8, 2),
        "convnext_tiny": (8, 2),
        "vit_b_16": (4, 2),
        "mlp": (200, 4),
    },
    "cuda": {
        name: (batch, 4) for name, batch in {**GPU_BATCHES, "convnext_tiny": 64, "mlp": 200}.items()
    },
    "quick": {"squeezenet1_1": (4,)},
}
"""The samples in a large batch of each network and, where there is one, in a small batch."""

ROUNDS = {"cpu": 7, "cuda": 5, "quick": 2}
PATIENCE = 30.0

Call = Callable[[], Any]


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure every network, all large batches first: seconds and peak memory of every way."""
    bound = multiplications_per_second(setup.device, setup.wait)
    cases = [(n, batch) for n, batches in BATCHES[setup.size].items() for batch in batches]
    cases.sort(key=lambda case: case[1] < BATCHES[setup.size][case[0]][0])
    rows = {f"{name}, {n}": partial(_measure, name, n, setup) for name, n in cases}
    yield from measure_rows({"flop_per_second": bound}, rows, setup)


def _measure(name: str, samples: int, setup: Setup) -> dict[str, Any]:
    model, images = setup.network(name, samples)
    contenders = {way: _call(way, model, _some(way, model, images)) for way in WAYS}
    left_out = _add_peers(contenders, model, images)
    twice = {way: WAYS[way](model, images, images) for way in CHECKED}
    if setup.size != "cpu":
        for way in ("plain", "exact", "batch"):
            contenders[f"{way}, tf32"] = partial(_with_tf32, contenders[way])
        twice["exact, tf32"] = partial(_with_tf32, twice["exact"])
    in_turn = {**contenders, **{f"{way}, twice": call for way, call in twice.items()}}
    seconds = take_turns(in_turn, ROUNDS[setup.size], setup.wait, PATIENCE)
    checks = {}
    for way in twice:
        seconds[way], checks[way] = over_many(seconds[way], seconds.pop(f"{way}, twice"), samples)
    scale = {way: samples / len(_some(way, model, images)) for way in seconds}
    return {
        "network": name,
        "samples": samples,
        "large": samples == BATCHES[setup.size][name][0],
        "scale": scale,
        "flop": arithmetic(model, images[:1]) * samples,
        "seconds": seconds,
        "checks": checks,
        "peak_bytes": _peaks(name, samples, contenders, setup),
        "left_out": left_out,
        "over_exact": {
            way: ratio(own, seconds["exact"], scale[way])
            for way, own in seconds.items()
            if way != "exact"
        },
    }


def over_many(one: list[float], two: list[float], samples: int) -> tuple[list[float], float]:
    """Return what a batch costs within a pass over `MANY` samples, and the checks' share of that.

    Args:
        one: Seconds of passes over one batch: the checks of the first samples, and the batch.
        two: Seconds of passes over two such batches, round by round.
        samples: The samples in a batch.
    """
    batches = MANY / samples
    passes = [a + (b - a) * (batches - 1) for a, b in zip(one, two, strict=True)]
    shares = [(2 * a - b) / whole for a, b, whole in zip(one, two, passes, strict=True)]
    return [whole / batches for whole in passes], max(0.0, statistics.median(shares))


def _pass(measure: Callable[..., Any], **options: Any) -> Callable[..., Call]:
    return lambda model, *batches: lambda: measure(model, batches, **options)


def _plain(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Do a forward and a backward pass for each batch, as in a training step, in eval mode."""
    model.eval()
    for images in batches:
        model.zero_grad()
        model(images).square().sum().backward()
    model.zero_grad()


WAYS: dict[str, Callable[..., Call]] = {
    "plain": _pass(_plain),
    "exact": _pass(global_importance),
    "avalanche": peers.avalanche,
    "batch": _pass(global_importance, granularity="batch"),
    "local": _pass(local_importance),
    "loop": peers.loop,
}
"""The ways that are always measured, in any case; `peers.PEERS` has those that may refuse a network."""


def _call(way: str, model: nn.Module, images: Tensor) -> Call:
    if way in WAYS:
        return WAYS[way](model, images)
    return peers.PEERS[way](_without_in_place(copy.deepcopy(model)), images)


def _some(way: str, model: nn.Module, images: Tensor, most: int = FEW) -> Tensor:
    """Return as many of the images as a way is timed on; on a GPU, `most` means nothing."""
    if way in peers.PEERS:
        most = most if images.device.type == "cpu" else len(images)
        return images[: min(most, peers.chunk(model))]
    return images[:LOOP_SAMPLES] if way == "loop" else images


def _with_tf32(call: Call) -> Any:
    with precision("tf32"):
        return call()


def _add_peers(contenders: dict[str, Call], model: nn.Module, images: Tensor) -> dict[str, str]:
    """Add other exact ways that work on this network; return why others were left out.

    A way counts as exact only if it reproduces our Ω on two samples.
    """
    ours, left_out = global_importance(model, [images[:2]]), {}
    for way in peers.PEERS:
        try:
            off = _distance(_call(way, model, images[:2])(), ours)
            call = _call(way, model, _some(way, model, images))
            call()
        except Exception as error:
            left_out[way] = f"{type(error).__name__}: {str(error)[:200]}"
            continue
        if off <= AGREEMENT:
            contenders[way] = call
        else:
            left_out[way] = f"its Ω is off by {off:.1e} of the largest entry"
    return left_out


def _without_in_place(model: nn.Module) -> nn.Module:
    """Make the model's activations keep their input, as hooks need it, and return the model."""
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
    return model


def _distance(other: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> float:
    """Return the largest difference of Ω, as a share of its parameter's largest entry."""
    pairs = zip(other.values(), ours.values(), strict=True)
    off = [(a - b).abs().max() / b.abs().max().clamp(min=1e-30) for a, b in pairs]
    return float(torch.stack(off).max())


def _peaks(
    name: str, samples: int, contenders: Mapping[str, Call], setup: Setup
) -> dict[str, float | None]:
    """Return how much memory each way takes; on a CPU, each in a process of its own."""
    if setup.device.type == "cuda":
        return {way: setup.peak_bytes(call) for way, call in contenders.items()}
    ways = [way for way in contenders if way in WAYS or way in peers.PEERS]
    return {way: apart(growth, _alone, way, name, samples, setup.quick) for way in ways}


def _alone(way: str, name: str, samples: int, quick: bool) -> Call:
    model, images = Setup(CPU, quick).network(name, samples)
    return _call(way, model, _some(way, model, images, samples))


def arithmetic(model: nn.Module, image: Tensor) -> int:
    """Count the least that one sample's gradients need, in flop: a forward and a full backward pass."""
    formulas = {torch.ops.aten.convolution_backward: _of_convolution_backward}
    with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        _plain(model, [image])
    return int(counter.get_total_flops())


def _of_convolution_backward(
    grad: list[int], inputs: list[int], weight: list[int], *rest: Any, **_: Any
) -> int:
    """Count each gradient that is asked for as the forward pass, which has the same products.

    PyTorch's own formula takes a weight gradient in groups for a dense one.
    """
    transposed, _, _, wanted = rest[-4:]
    gradients: int = wanted[0] + wanted[1]
    return gradients * conv_flop_count(inputs, weight, grad, transposed=transposed)
