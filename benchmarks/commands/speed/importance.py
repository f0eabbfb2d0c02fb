"""The exact pass beside Avalanche's pass, which is only approximate, and beside the exact loop.

Images of 224 pixels, one batch, random weights. The exact loop (batch size one) runs on a few of the
batch's samples and is scaled up to all of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torchvision.models as networks
from avalanche.training.plugins import MASPlugin as AvalancheMASPlugin
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from avalanche_mas.importance import global_importance
from benchmarks.commands.speed.timing import multiplications_per_second, ratio, shown, take_turns

NAME = "importance"
DESCRIPTION = "the exact importance pass against Avalanche's and against batch size one"

BATCHES = {"alexnet": 200, "resnet18": 32, "vgg11": 16, "mobilenet_v2": 32}
LOOP_SAMPLES = 4


def measure(quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure every network: seconds of each contender in each round, and the ratios."""
    rounds = 2 if quick else 7
    found: dict[str, Any] = {"flop_per_second": multiplications_per_second(), "networks": {}}
    for name, samples in BATCHES.items():
        progress(f"{name}, {rounds} rounds")
        found["networks"][name] = _measure_network(name, 4 if quick else samples, rounds)
    return found


def table(found: dict[str, Any]) -> str:
    """Show times per sample, the ratios, and how far from the arithmetic bound the exact pass is."""
    lines = [
        "| network | batch | exact, ms a sample | exact / Avalanche's approximate | loop of one / exact "
        "| share of the matrix-product rate |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in found["networks"].items():
        seconds = statistics.median(row["seconds"]["exact"])
        share = row["flop"] / seconds / found["flop_per_second"]
        lines.append(
            f"| {name} | {row['samples']} | {1e3 * seconds / row['samples']:.1f} "
            f"| {shown(row['exact_over_avalanche'])} | {shown(row['loop_over_exact'])} "
            f"| {100 * share:.0f} % |"
        )
    return "\n".join(lines)


def _measure_network(name: str, samples: int, rounds: int) -> dict[str, Any]:
    torch.manual_seed(0)
    model: nn.Module = getattr(networks, name)()
    images = torch.randn(samples, 3, 224, 224)
    data = TensorDataset(images, torch.zeros(samples, dtype=torch.int64))
    loop = images[: min(samples, LOOP_SAMPLES)]
    strategy = SimpleNamespace(
        model=model,
        experience=SimpleNamespace(dataset=data),
        train_mb_size=samples,
        device=torch.device("cpu"),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    )
    avalanche = AvalancheMASPlugin()
    seconds = take_turns(
        {
            "exact": lambda: global_importance(model, DataLoader(data, samples)),
            "avalanche": lambda: avalanche._get_importance(strategy),
            "loop": lambda: _loop(model, loop),
        },
        rounds,
    )
    return {
        "samples": samples,
        "loop_samples": len(loop),
        "flop": _flop(model, images[:1]) * samples,
        "seconds": seconds,
        "exact_over_avalanche": ratio(seconds["exact"], seconds["avalanche"]),
        "loop_over_exact": ratio(seconds["loop"], seconds["exact"], samples / len(loop)),
    }


def _loop(model: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """The definition itself: one sample at a time."""
    model.eval()
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for image in images:
        model.zero_grad()
        model(image[None]).square().sum().backward()
        for name, parameter in model.named_parameters():
            sums[name] += parameter.grad.abs()  # type: ignore[union-attr]
    model.zero_grad()
    return sums


def _flop(model: nn.Module, image: torch.Tensor) -> int:
    """Count what one sample's gradients need at the least: a forward and a full backward pass."""
    model.eval()
    with FlopCounterMode(display=False) as counter:
        model(image).square().sum().backward()
    model.zero_grad()
    return int(counter.get_total_flops())
