"""How the importance pass and the penalty scale: with tasks, samples and parameters, up to 10⁹ of these.

The networks are stacks of equal layers: linear ones with ReLU, or transformer blocks on 64 tokens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psutil
import torch
from torch import nn

from avalanche_mas.importance import Importance, global_importance
from avalanche_mas.peak import peak_bytes
from avalanche_mas.penalty import QuadraticPenalty
from benchmarks.commands.speed.apart import CPU, apart, growth, load_kernels
from benchmarks.commands.speed.growth import figure, table
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.commands.speed.timing import take_turns
from benchmarks.record.files import or_null

__all__ = ["DESCRIPTION", "NAME", "SECONDS", "figure", "measure", "table"]

NAME = "scale"
DESCRIPTION = "time and memory by the number of tasks, samples and parameters, up to 10⁹ of these"
SECONDS = 45.0

BATCH, TOKENS, HEADS = 16, 64, 4
ROUNDS, PATIENCE = 7, 20.0
ROOM = 4.5
"""Multiples of the largest network's size that must be free to measure it."""


class Point(NamedTuple):
    """A stack of layers, the samples of a task, and the tasks learned before."""

    width: int
    depth: int
    samples: int = BATCH
    tasks: int = 1
    transformer: bool = False


def _series(
    width: int, tasks: int, samples: list[int], widths: list[int], depths: list[int]
) -> dict[str, list[Point]]:
    """Return the points of every series, by what grows along it."""
    return {
        "tasks": [Point(width, 4, tasks=2**k) for k in range(tasks)],
        "samples": [Point(width, 4, n) for n in samples],
        "parameters by width": [Point(own, 4) for own in widths],
        "parameters by depth": [Point(width // 8, n, transformer=True) for n in depths],
    }


SERIES = {
    "cpu": _series(3072, 5, [16, 64, 256], [384, 768, 1536, 3072, 6144], [1, 2, 4, 8, 16]),
    "cuda": _series(4096, 5, [16, 64, 256, 1024], [1024, 2048, 4096, 8192], [1, 4, 16]),
    "quick": _series(64, 2, [16, 32], [32, 64], [1, 2]),
}
LARGEST = Point(8192, 15, samples=2)
LARGE = "10⁹ parameters"


class Learner:
    """A network in training, with the penalty of the tasks before."""

    def __init__(
        self, point: Point, device: torch.device, importance_dtype: torch.dtype | None = None
    ) -> None:
        torch.manual_seed(0)
        shape = (TOKENS, point.width) if point.transformer else (point.width,)
        with device:
            layers = [_layer(point) for _ in range(point.depth)]
            self.batches = torch.randn(point.samples, *shape).split(BATCH)
        self.model = nn.Sequential(*layers, nn.Flatten())
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4)
        self.penalty = QuadraticPenalty(1.0, importance_dtype=importance_dtype)

    def importance(self) -> Importance:
        """Return Ω of the task."""
        return global_importance(self.model, self.batches)

    def learn(self, tasks: int) -> None:
        """Learn tasks of one step each."""
        for _ in range(tasks):
            self.step()
            self.penalty.consolidate(self.model, self.importance())

    def step(self, *, penalised: bool = True) -> None:
        """Take a training step, with the damped penalty or without."""
        self.forward_and_backward()
        if penalised:
            self.add_penalty()
        self.optimizer.step()

    def forward_and_backward(self) -> None:
        """Make the gradients of a batch."""
        self.optimizer.zero_grad()
        self.model(self.batches[0]).square().mean().backward()

    def add_penalty(self) -> None:
        """Add the damped penalty to the gradients."""
        self.penalty.add_gradient(self.model, optimizer=self.optimizer)


def _layer(point: Point) -> nn.Module:
    """Return a layer that keeps the size of its input, however many there are."""
    width = point.width
    if point.transformer:
        return nn.TransformerEncoderLayer(width, HEADS, 4 * width, dropout=0.0, batch_first=True)
    linear = nn.Linear(width, width)
    with torch.no_grad():
        linear.weight *= math.sqrt(6)  # uniform with bound √(6 / width): He et al., 2015
    return nn.Sequential(linear, nn.ReLU())


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Measure every series, its points in turns, and then the largest network."""
    rows: dict[str, Callable[[], Any]] = {
        along: partial(_measure, points, setup) for along, points in SERIES[setup.size].items()
    }
    if not setup.quick:
        for dtype, kept in ((None, "in memory"), (torch.bfloat16, "Ω in bfloat16")):
            rows[f"{LARGE}, {kept}"] = partial(_large, setup.device, dtype)
    if setup.size == "cpu":
        rows[f"{LARGE}, Ω in a file between two processes"] = _large_from_file
    yield from measure_rows({}, rows, setup, key="series")


def _measure(points: list[Point], setup: Setup) -> list[dict[str, Any]]:
    learners = [Learner(point, setup.device) for point in points]
    for learner, point in zip(learners, points, strict=True):
        learner.learn(point.tasks)
    calls: list[dict[str, Callable[[], object]]] = [
        {
            "importance": learner.importance,
            "penalty": learner.add_penalty,
            "step": learner.step,
            "plain": partial(learner.step, penalised=False),
        }
        for learner in learners
    ]
    by_call = {f"{k} {what}": call for k, own in enumerate(calls) for what, call in own.items()}
    rounds = 2 if setup.quick else ROUNDS
    seconds = take_turns(by_call, rounds, setup.wait, PATIENCE)
    return [
        {
            **_about(point, learner),
            "seconds": {what: seconds[f"{k} {what}"] for what in own},
            "peak_bytes": _peaks(point, setup),
        }
        for k, (point, learner, own) in enumerate(zip(points, learners, calls, strict=True))
    ]


def _about(point: Point, learner: Learner) -> dict[str, Any]:
    held = [*learner.penalty.importance.values(), *learner.penalty.anchors.values()]
    parameters = list(learner.model.parameters())
    return {
        **point._asdict(),
        "parameters": sum(p.numel() for p in parameters),
        "model_bytes": sum(p.numel() * p.element_size() for p in parameters),
        "held_bytes": sum(tensor.numel() * tensor.element_size() for tensor in held),
    }


def _peaks(point: Point, setup: Setup) -> dict[str, float | None]:
    """Return the memory of a network in each kind of work; training is all its tasks and a step more."""
    makes = {"plain": _plain_alone, "importance": _pass_alone, "training": _training_alone}
    if setup.device.type == "cuda":
        return {what: setup.peak_bytes(make(point, setup.device)) for what, make in makes.items()}
    return {what: apart(growth, make, point, CPU) for what, make in makes.items()}


def _plain_alone(point: Point, device: torch.device) -> Callable[[], object]:
    return lambda: Learner(point, device).forward_and_backward()


def _pass_alone(point: Point, device: torch.device) -> Callable[[], object]:
    return lambda: Learner(point, device).importance()


def _training_alone(point: Point, device: torch.device) -> Callable[[], object]:
    def train() -> None:
        learner = Learner(point, device)
        learner.learn(point.tasks)
        learner.step()

    return train


class Stages:
    """Seconds of the stages of a process, and by how much the peak has risen by the end of each.

    The peak is `None` where the system does not tell it.
    """

    def __init__(self, device: torch.device) -> None:
        if device.type == "cpu":
            load_kernels()
        self.device, self.before = device, peak_bytes(device)
        self.seconds: dict[str, list[float]] = {}
        self.peaks: dict[str, float | None] = {}

    def run(self, name: str, call: Callable[[], Any]) -> Any:
        """Return what a stage returns."""
        started = time.perf_counter()
        result = call()
        Setup(self.device).wait()
        self.seconds[name] = [time.perf_counter() - started]
        self.peaks[name] = or_null(peak_bytes(self.device) - self.before)
        return result

    def found(self, learner: Learner) -> dict[str, Any]:
        """Return everything as plain data."""
        own = {"seconds": self.seconds, "peak_bytes": self.peaks}
        return {**_about(LARGEST, learner), **own}


def _large(device: torch.device, dtype: torch.dtype | None = None) -> list[dict[str, Any]]:
    """Measure the pass, consolidation and a step of the largest network, once each."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return [_learn_large(device, dtype)]
    return [apart(_learn_large, device, dtype)]


def _learn_large(device: torch.device, dtype: torch.dtype | None) -> dict[str, Any]:
    _check_room(device)
    stages = Stages(device)
    learner = Learner(LARGEST, device, dtype)
    _train(learner, stages, stages.run("importance", learner.importance))
    return stages.found(learner)


def _train(learner: Learner, stages: Stages, omega: Importance) -> None:
    stages.run("consolidation", partial(learner.penalty.consolidate, learner.model, omega))
    del omega
    stages.run("training", learner.step)
    stages.run("step", learner.step)
    stages.run("penalty", learner.add_penalty)


def _large_from_file() -> list[dict[str, Any]]:
    """Measure the same in two processes, the second of which goes on with Ω from a file."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "omega.safetensors"
        first, second = apart(_save_large, file), apart(_resume_large, file)
    parts = ("seconds", "peak_bytes")
    return [{**second, **{part: {**first[part], **second[part]} for part in parts}}]


def _save_large(file: Path) -> dict[str, Any]:
    _check_room(CPU)
    stages = Stages(CPU)
    learner = Learner(LARGEST, CPU)
    omega = stages.run("importance", learner.importance)
    stages.run("saving", partial(omega.save, file))
    return stages.found(learner)


def _resume_large(file: Path) -> dict[str, Any]:
    stages = Stages(CPU)
    learner = Learner(LARGEST, CPU)
    _train(learner, stages, stages.run("loading", partial(Importance.load, file, learner.model)))
    return stages.found(learner)


def _check_room(device: torch.device) -> None:
    """Refuse to fill a memory that is too small."""
    wanted = ROOM * 4 * LARGEST.depth * LARGEST.width**2
    on_gpu = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else psutil.virtual_memory().available
    if free < wanted:
        raise MemoryError(
            f"{free / 1e9:.1f} GB of memory are free, and {wanted / 1e9:.1f} GB are needed; end other "
            "processes, or measure on a larger machine"
        )
