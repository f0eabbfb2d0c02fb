"""How long a run takes and what memory it needs: its number of steps, and the time of some of them.

This module does not load PyTorch; measuring does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from benchmarks.methods import method_named
from benchmarks.record.files import RESULTS, read_json
from benchmarks.record.settings import Settings
from benchmarks.run.framework import MAX_HALVINGS, RATE_SHARES

BUDGET = 12.0
"""Seconds for each kind of work; of a batch that takes longer, as many images as fit are measured."""

TRIED = 8
"""The images of the first try, whose time says how many fit."""

RECORDED = RESULTS / "speed" / "gpu"
RECORDED_SIDE = 224


class Work(NamedTuple):
    """What a run does.

    Training steps, those of them with a quadratic penalty, images evaluated, and images that Ω is
    measured on.
    """

    steps: int
    penalised: int
    evaluated: int
    measured: int


@dataclass(frozen=True)
class Costs:
    """What the parts of a run cost.

    Attributes:
        step: Seconds of a training step, the loading of its batch included.
        penalty: Seconds that a quadratic penalty adds to a step.
        evaluation: Seconds to evaluate an image.
        importance: Seconds to measure Ω on an image, by its form, "global" or "local".
        memory: The peak memory of a run with Ω and θ*, in bytes, without images and checkpoints; `None`
            if unknown.
        network: The size of the network's parameters, in bytes; `None` if unknown.
        source: What was measured where, in words.
    """

    step: float
    evaluation: float
    source: str
    penalty: float = 0.0
    importance: Mapping[str, float] = field(default_factory=dict)
    memory: float | None = None
    network: int | None = None

    def seconds(self, run: Settings, work: Work) -> float:
        """Return the seconds of a run that does this work."""
        form = method_named(run.method).measures
        omega = self.importance[form] * work.measured if form else 0.0
        steps = self.step * work.steps + self.penalty * work.penalised
        return steps + self.evaluation * work.evaluated + omega


def work_of(run: Settings, sizes: Sequence[tuple[int, int, int]], *, most: bool = True) -> Work:
    """Return what a run does that is not stopped early.

    Args:
        run: Its configuration.
        sizes: The images of each task for training, validation and test.
        most: Whether the framework tries as many strengths as it may; otherwise only one.
    """
    method = method_named(run.method)
    parts = [[sum(kind) for kind in zip(*sizes, strict=True)]] if method.joint else sizes
    shown = [size[1 if run.evaluated_on == "valid" else 2] for size in sizes]
    seen = [len(sizes)] if method.joint else range(1, len(sizes) + 1)
    steps, penalised, measured_on = 0, 0, 0
    evaluated = sum(sum(shown[:count]) for count in seen)
    for number, (train, valid, test) in enumerate(parts):
        epochs = run.epochs if number or method.joint else run.first_epochs or run.epochs
        once = epochs * math.ceil(train / run.batch_size)
        rates, strengths = _trials(run, number, most)
        trainings = 1 + rates + strengths
        steps += trainings * once
        if number and method.penalties:
            penalised += (1 + strengths) * once
        evaluated += (rates + strengths) * valid
        if run.patience is not None:
            evaluated += trainings * epochs * valid
        if method.measures:
            measured_on += (1 + strengths) * _measured(run, train, test)
    return Work(steps, penalised, evaluated, measured_on)


def _trials(run: Settings, number: int, most: bool) -> tuple[int, int]:
    """Return the numbers of trainings before the one that counts: fine-tuning, and with the method."""
    if run.choose is None:
        return 0, 0
    if method_named(run.method).strength is None or number == 0:
        return len(RATE_SHARES), 0
    return len(RATE_SHARES), 1 + most * MAX_HALVINGS


def _measured(run: Settings, train: int, test: int) -> int:
    on = (run.importance_on or "train").split("+")
    return test * ("test" in on) + train * (on != ["test"])


def recorded(run: Settings) -> Costs | None:
    """Return the costs recorded on a GPU for this network, size and batch, if there are any."""
    name = f"{run.model.replace('-', '_')}, {run.batch_size}"
    files = [RECORDED / f"{suite}.json" for suite in ("step", "importance")]
    if run.image_size != RECORDED_SIDE or run.precision != "float32" or not files[0].is_file():
        return None
    step, omega = (read_json(file) if file.is_file() else {} for file in files)
    found = step["cases"].get(name)
    if found is None:
        return None
    seconds = omega.get("networks", {}).get(name, {}).get("seconds", {})
    steps = {form: median(own) for form, own in found["seconds"].items()}
    return Costs(
        step=steps["plain"],
        penalty=steps["damped" if run.penalty == "damped" else "loss form"] - steps["plain"],
        evaluation=0.0,
        source=f"recorded on {step['machine'].get('gpu', 'a GPU')}, without loading and evaluation"
        + (" and without Ω" if not seconds else ""),
        importance={
            form: median(seconds[key]) / run.batch_size if key in seconds else 0.0
            for form, key in (("global", "exact"), ("local", "local"))
        },
    )


def measured(
    run: Settings,
    shape: tuple[int, int, int],
    classes: int,
    forms: Collection[str],
    load: Callable[[int], object],
    threads: int,
) -> Costs:
    """Measure the parts of a run with random weights and images, each in about `BUDGET` seconds.

    Args:
        run: Its configuration.
        shape: Channels, height and width of an image.
        classes: The number of outputs.
        forms: The forms of Ω to measure, "global" or "local".
        load: Loads so many images for training.
        threads: The number of threads.
    """
    import torch  # here, as that takes seconds

    from avalanche_mas.plugins import peak_bytes

    torch.set_num_threads(threads)
    device = torch.device(run.device)
    before = peak_bytes(device)
    network, works = _works(run, shape, classes, device)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    step, most = _time(works["step"], run.batch_size, wait)
    loading, _ = _time(load, run.batch_size, wait)
    evaluation, _ = _time(works["evaluation"], run.batch_size, wait)
    importance = {form: _time(works[form], run.batch_size, wait)[0] for form in forms}
    penalty, _ = _time(works["penalty"], 1, wait)
    grown = peak_bytes(device) - before
    part = "" if most == run.batch_size else f" (from {most} of them)"
    return Costs(
        step=(step + loading) * run.batch_size,
        penalty=penalty,
        evaluation=evaluation,
        importance=importance,
        memory=before + grown * run.batch_size / most,
        network=sum(p.numel() * p.element_size() for p in network.parameters()),
        source=(
            f"measured here, {threads} thread{'s'[: threads > 1]}, random weights and images: a step "
            f"on {run.batch_size} images {_short(step * run.batch_size)}{part}, loading them "
            f"{_short(loading * run.batch_size)}, a penalty {_short(penalty)}"
            + "".join(f", {form} Ω {_short(one)} an image" for form, one in importance.items())
        ),
    )


def _works(
    run: Settings, shape: tuple[int, int, int], classes: int, device: Any
) -> tuple[Any, dict[str, Callable[[int], object]]]:
    """Return the network, and what is measured of it: functions of the number of images."""
    import torch

    from avalanche_mas.importance import global_importance, local_importance
    from avalanche_mas.penalty import QuadraticPenalty
    from benchmarks.run.training.networks import make_network

    network = make_network(run.model, shape, None, classes).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    penalty = QuadraticPenalty(1.0)
    penalty.consolidate(network, {n: torch.ones_like(p) for n, p in network.named_parameters()})
    mixed: Any = nullcontext()
    if run.precision != "float32":
        mixed = torch.autocast(device.type, getattr(torch, run.precision))

    def images(count: int) -> Any:
        return torch.randn(count, *shape, device=device)

    def step(count: int) -> None:
        network.train()
        optimizer.zero_grad()
        with mixed:
            outputs = network(images(count))
        labels = torch.randint(classes, (count,), device=device)
        torch.nn.functional.cross_entropy(outputs.float(), labels).backward()
        optimizer.step()

    def evaluation(count: int) -> None:
        network.eval()
        with torch.no_grad(), mixed:
            network(images(count))

    def penalised(_: int) -> None:
        if run.penalty == "explicit":
            penalty.value(network).backward()
        else:
            penalty.add_gradient(network, optimizer=optimizer)

    return network, {
        "step": step,
        "penalty": penalised,
        "evaluation": evaluation,
        "global": lambda count: global_importance(network, [images(count)]),
        "local": lambda count: local_importance(network, [images(count)]),
    }


def _time(
    work: Callable[[int], object], batch: int, wait: Callable[[], object]
) -> tuple[float, int]:
    """Return the seconds per image, and the number of images that they were measured with."""
    count = min(TRIED, batch)
    for _ in range(2):  # the first call finds memory, and kernels
        seconds = max(_once(work, count, wait), 1e-9)
    count = max(count, min(batch, int(count * BUDGET / seconds)))
    return _once(work, count, wait) / count, count


def _once(work: Callable[[int], object], count: int, wait: Callable[[], object]) -> float:
    wait()
    begin = time.perf_counter()
    work(count)
    wait()
    return time.perf_counter() - begin


def _short(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
