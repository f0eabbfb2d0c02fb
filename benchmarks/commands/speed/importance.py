"""The exact pass, compared with a training step, Avalanche's approximate pass and other exact ways.

All measure one batch of images of 224 pixels, with random weights. The exact loop (batch size one)
runs on a few samples of the batch and is scaled up to all of them.
"""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from avalanche_mas.importance import global_importance
from benchmarks.commands.speed import peers
from benchmarks.commands.speed.setup import GPU_BATCHES, Setup, measure_rows
from benchmarks.commands.speed.timing import (
    multiplications_per_second,
    name_column,
    named,
    per_sample,
    precision,
    ratio,
    ratio_column,
    ratio_text,
    take_turns,
)
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

NAME = "importance"
DESCRIPTION = "the exact importance pass against Avalanche's and against batch size one"
SECONDS = 140.0

LOOP_SAMPLES = 4
AGREEMENT = 1e-3
"""The largest difference allowed between exact ways, as a share of a parameter's largest entry."""

BATCHES: dict[str, Mapping[str, int]] = {
    "cpu": {"alexnet": 200, "resnet18": 32, "vgg11": 16, "mobilenet_v2": 32},
    "cuda": {**GPU_BATCHES, "convnext_tiny": 64},
    "quick": {"squeezenet1_1": 4},
}
ROUNDS = {"cpu": 7, "cuda": 5, "quick": 2}


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure every network: seconds and peak memory of each contender, and the ratios."""
    bound = multiplications_per_second(setup.device, setup.wait)
    batches = BATCHES[setup.size]
    rows = {name: partial(_measure, name, samples, setup) for name, samples in batches.items()}
    yield from measure_rows({"flop_per_second": bound}, rows, setup)


def _measure(name: str, samples: int, setup: Setup) -> dict[str, Any]:
    model, images = setup.network(name, samples)
    everyone = setup.size != "cpu"
    contenders = _contenders(model, images, everyone)
    left_out = _add_peers(contenders, model, images) if everyone else {}
    seconds = take_turns(contenders, ROUNDS[setup.size], setup.wait)
    peaks = {name: setup.peak_bytes(call) for name, call in contenders.items()}
    loop_samples = min(samples, LOOP_SAMPLES)
    return {
        "samples": samples,
        "loop_samples": loop_samples,
        "flop": _flop(model, images[:1]) * samples,
        "seconds": seconds,
        "peak_bytes": peaks,
        "left_out": left_out,
        "exact_over_avalanche": ratio(seconds["exact"], seconds["avalanche"]),
        "loop_over_exact": ratio(seconds["loop"], seconds["exact"], samples / loop_samples),
        "exact_over_plain": ratio(seconds["exact"], seconds["plain"]),
    }


def _contenders(model: nn.Module, images: Tensor, everyone: bool) -> dict[str, Callable[[], Any]]:
    """Return the contenders of every measurement; `everyone` adds other forms and precisions."""
    found: dict[str, Callable[[], Any]] = {
        "plain": lambda: _plain(model, images),
        "exact": lambda: global_importance(model, [images]),
        "avalanche": peers.avalanche(model, images),
        "loop": peers.loop(model, images[:LOOP_SAMPLES]),
    }
    if everyone:
        found["batch"] = lambda: global_importance(model, [images], granularity="batch")
        for name in ("plain", "exact", "batch"):
            found[f"{name}, tf32"] = partial(_with_tf32, found[name])
    return found


def _with_tf32(call: Callable[[], Any]) -> Any:
    with precision("tf32"):
        return call()


def _add_peers(
    contenders: dict[str, Callable[[], Any]], model: nn.Module, images: Tensor
) -> dict[str, str]:
    """Add other exact ways that work on this network; return why others were left out.

    A way counts as exact only if it reproduces our Ω on two samples.
    """
    ours, left_out = global_importance(model, [images[:2]]), {}
    for name, way in peers.PEERS.items():
        network = _without_in_place(copy.deepcopy(model))
        try:
            off = _distance(way(network, images[:2])(), ours)
            call = way(network, images)
            call()
        except Exception as error:
            left_out[name] = f"{type(error).__name__}: {str(error)[:200]}"
            continue
        if off <= AGREEMENT:
            contenders[name] = call
        else:
            left_out[name] = f"its Ω is off by {off:.1e} of the largest entry"
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


def _plain(model: nn.Module, images: Tensor) -> None:
    """Do a forward and a backward pass, as in a training step, in eval mode."""
    model.eval()
    model.zero_grad()
    model(images).square().sum().backward()
    model.zero_grad()


def _flop(model: nn.Module, image: Tensor) -> int:
    """Count the least that one sample's gradients need: a forward and a full backward pass."""
    with FlopCounterMode(display=False) as counter:
        _plain(model, image)
    return int(counter.get_total_flops())


def table(found: dict[str, Any]) -> str:
    """Show times per sample, the ratios, and the exact pass's share of the arithmetic bound."""
    rows = named(found["networks"])
    columns: list[Column[Any]] = [
        name_column("network"),
        Column("batch", itemgetter("samples")),
        per_sample("exact, ms per sample", "exact", found["machine"]),
        *(column for column in _COLUMNS if any(map(column.value, rows))),
        Column(
            "share of the matrix-product rate",
            lambda row: row["flop"] / statistics.median(row["seconds"]["exact"]),
            lambda rate: f"{100 * rate / found['flop_per_second']:.0f} %",
        ),
    ]
    left_out = (
        f"\n{way} on {row['name']} was left out: {reason}"
        for row in rows
        for way, reason in row.get("left_out", {}).items()
    )
    return "\n".join([bare_markdown(columns, rows), *left_out])


def _over(title: str, a: str, b: str) -> Column[Any]:
    """Return the column of the ratio of two contenders, empty where one was not measured."""

    def value(row: Mapping[str, Any]) -> dict[str, float] | None:
        seconds = row["seconds"]
        return ratio(seconds[a], seconds[b]) if a in seconds and b in seconds else None

    return Column(title, value, ratio_text)


def _memory(row: Mapping[str, Any]) -> float | None:
    peaks = row.get("peak_bytes", {})
    plain, exact = peaks.get("plain"), peaks.get("exact")
    return exact / plain if plain and exact else None


_COLUMNS: list[Column[Any]] = [
    _over("exact / forward and backward", "exact", "plain"),
    _over("the same, TF32", "exact, tf32", "plain, tf32"),
    ratio_column("exact / Avalanche's approximate", "exact_over_avalanche"),
    _over("exact / batch form", "exact", "batch"),
    ratio_column("loop of one / exact", "loop_over_exact"),
    _over("vmap / exact", "vmap", "exact"),
    _over("Opacus / exact", "opacus", "exact"),
    _over("BackPACK / exact", "backpack", "exact"),
    Column("peak memory, exact / forward and backward", _memory, "{:.2f}".format),
]
