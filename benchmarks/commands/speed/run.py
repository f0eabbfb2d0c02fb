"""Whole runs on a device: their accuracies compared with a CPU's, and profiles of large networks."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from torch.profiler import ProfilerActivity, profile

from avalanche_mas.streams import TASKS
from benchmarks.commands.options import Options
from benchmarks.commands.plan import plan
from benchmarks.commands.speed.setup import Setup, measure_rows
from benchmarks.record.files import RESULTS, read_json
from benchmarks.record.schema import RESULT
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column
from benchmarks.run.data import stream_of, with_data
from benchmarks.run.learner import Learner

NAME = "run"
DESCRIPTION = "accuracies of whole runs against a CPU's; profiles of AlexNet and ResNet18"
SECONDS = 105.0

RECORDED = RESULTS / "drawn"
"""A CPU's runs on the drawn stream, with the default settings of the command."""

REAL = ("flowers", "birds", "cars", "letters", "svhn")
DRAWN = ["--methods", "fine-tuning", "mas", "l-mas", "--seeds", "3"]
QUICK = ["--methods", "mas", "--tasks", "letters", "svhn", "--epochs", "1"]
TOP = 12
"""The number of operations that a profile lists."""

Times: TypeAlias = dict[str, tuple[float, int]]
"""Microseconds and the number of calls, by operation."""


def measure(setup: Setup) -> Iterator[dict[str, Any]]:
    """Run the drawn stream and any real data, and profile two networks at 224 pixels.

    The device's share is that of a task's seconds in which it was busy.
    """
    rows: dict[str, Any] = {"drawn": partial(_drawn, setup)}
    if setup.root is not None:
        rows["real"] = partial(_real, setup.root, setup)
    for name in ("squeezenet",) if setup.quick else ("alexnet", "resnet18"):
        rows[f"{name}, {setup.side} px"] = partial(_profile, name, setup)
    yield from measure_rows({"device": setup.device.type}, rows, setup, key="rows")


def _drawn(setup: Setup) -> dict[str, Any]:
    if setup.quick:
        return _beside_cpu(QUICK, setup)
    here, seconds = _run(DRAWN, setup.device.type)
    recorded = {m: _accuracies(RECORDED / "eight-tasks" / m) for m in here}
    return {"accuracy": {setup.device.type: here, "cpu, recorded": recorded}, "seconds": seconds}


def _real(root: Path, setup: Setup) -> dict[str, Any]:
    """Run on the real data sets that are there, on the device and on the CPU."""
    tasks = [name for name in REAL if (root / TASKS[name].folder).exists()]
    options = ["--root", str(root), "--methods", "fine-tuning", "mas", "--tasks", *tasks]
    return _beside_cpu([*options, "--epochs", "1"] if setup.quick else options, setup)


def _beside_cpu(options: Sequence[str], setup: Setup) -> dict[str, Any]:
    found, seconds = _run(options, setup.device.type)
    cpu, cpu_seconds = _run(options, "cpu")
    return {
        "accuracy": {setup.device.type: found, "cpu, beside": cpu},
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }


def _run(options: Sequence[str], device: str) -> tuple[dict[str, dict[str, float]], float]:
    """Return the mean accuracies at the end by method and seed, and the seconds of the command."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks", "run", "eight-tasks", *options]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--device", device, "--output", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[3:])}: {(done.stdout + done.stderr)[-2000:]}")
        methods = sorted((Path(folder) / "eight-tasks").iterdir())
        return {method.name: _accuracies(method) for method in methods}, seconds


def _accuracies(method: Path) -> dict[str, float]:
    """Return the mean accuracy over tasks at the end, by the name of the run folder."""
    return {
        file.parent.name: statistics.fmean(read_json(file)["accuracy"][-1])
        for file in sorted(method.rglob(RESULT))
    }


def _profile(model: str, setup: Setup) -> dict[str, Any]:
    """Learn two drawn tasks with MAS, an epoch each, and profile the second."""
    device, tasks = setup.device.type, ("letters", "svhn")
    options = Options(
        *("two-tasks", ("mas",), tasks),
        model=model,
        image_size=setup.side,
        weights="none",
        epochs=1,
        device=device,
    )
    (settings,) = plan(options)
    stream = stream_of(settings, None)
    learner = Learner(with_data(settings, stream), None, stream)
    first, second = learner.parts
    learner.learn(first)
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * (device == "cuda")]
    with profile(activities=activities) as profiler:
        started = time.perf_counter()
        learner.learn(second)
        setup.wait()
        wall = time.perf_counter() - started
    on_device, on_host = _times(profiler.key_averages())
    busy = sum(microseconds for microseconds, _ in on_device.values()) / 1e6
    return {
        "images": len(stream.train_stream[1].dataset),
        "wall_seconds": wall,
        "importance_seconds": learner.seconds(wall)["importance"][-1],
        "device_share": busy / wall if device == "cuda" else None,
        "on_device": _longest(on_device),
        "on_host": _longest(on_host),
    }


def _times(events: Iterable[Any]) -> tuple[Times, Times]:
    """Return what the GPU and the host did, without counting the GPU's time twice.

    Torch gives the time of a kernel to the operation that calls it, too, and to annotated stretches.
    """
    on_device, on_host = Times(), Times()
    for event in events:
        if event.device_type.name == "CPU":
            on_host[event.key] = event.self_cpu_time_total, event.count
        elif not getattr(event, "is_user_annotation", False):  # torch 2.4 does not tell
            on_device[event.key] = event.self_device_time_total, event.count
    return on_device, on_host


def _longest(times: Times) -> list[dict[str, Any]]:
    ranked = sorted(times.items(), key=lambda item: -item[1][0])[:TOP]
    return [
        {"operation": name, "seconds": microseconds / 1e6, "calls": calls}
        for name, (microseconds, calls) in ranked
        if microseconds
    ]


def table(found: dict[str, Any]) -> str:
    """Show the accuracies by device, and the profiles."""
    return "\n".join(
        _comparison(name, row) if "accuracy" in row else _profiled(name, row)
        for name, row in found["rows"].items()
    )


def _comparison(name: str, row: dict[str, Any]) -> str:
    (here, accuracies), (there, others) = row["accuracy"].items()
    columns: list[Column[str]] = [
        Column("method", str),
        Column(here, lambda method: accuracies[method].values(), _percent),
        Column(
            there, lambda method: [others[method][seed] for seed in accuracies[method]], _percent
        ),
        Column(
            "largest difference of a seed",
            lambda m: [max(abs(own - others[m][seed]) for seed, own in accuracies[m].items())],
            _percent,
        ),
    ]
    title = f"{name}, {row['seconds']:.0f} s; mean accuracy at the end, %"
    return f"{title}\n\n{bare_markdown(columns, accuracies)}\n"


def _percent(values: Iterable[float]) -> str:
    return ", ".join(f"{100 * value:.1f}" for value in values)


def _profiled(name: str, row: dict[str, Any]) -> str:
    share = row["device_share"]
    busy = "" if share is None else f", the device busy for {100 * share:.0f} %"
    columns: list[Column[dict[str, Any]]] = [
        Column("operation", lambda entry: entry["operation"][:60]),
        Column("s", itemgetter("seconds"), "{:.3f}".format),
        Column("calls", itemgetter("calls")),
    ]
    longest = bare_markdown(columns, row["on_device"] or row["on_host"])
    return (
        f"{name}: {row['images']} images, an epoch and the importance pass in "
        f"{row['wall_seconds']:.1f} s{busy}; the importance pass "
        f"{row['importance_seconds']:.2f} s\n\n{longest}\n"
    )
