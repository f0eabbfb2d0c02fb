"""The command `speed`: how fast the method is, side by side with alternatives.

Each suite is a module with `NAME`, `DESCRIPTION`, `SECONDS` (its share of the time on a GPU),
`measure(setup)`, which after each row yields everything found so far as plain data, and
`table(found)`, which shows that as Markdown. It may have more tables, `PARTS` by name, and
`figure(found)`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from avalanche_mas.options import guess
from benchmarks.commands.parser import Parser
from benchmarks.commands.speed import (
    accuracy,
    decoding,
    forms,
    importance,
    layers,
    penalty,
    run,
    scale,
    step,
    tracking,
)
from benchmarks.commands.speed.setup import Setup
from benchmarks.record.files import write_json
from benchmarks.record.folders import versions

SUITES: dict[str, ModuleType] = {
    suite.NAME: suite
    for suite in (
        *(accuracy, importance, penalty, step, run, scale),
        *(forms, layers, decoding, tracking),
    )
}
"""The suites in order of worth."""

GRACE = 30.0
"""Seconds after its time limit at which a suite is stopped even in the middle of a row."""


def main(arguments: Sequence[str]) -> int:
    """Measure suites, write NAME.json after every row, and print the tables.

    Each of several suites runs in its own process, so a suite that breaks the device, hangs or runs
    out of memory does not affect the others. The exit status is 1 if a row failed or a suite was
    stopped.
    """
    options = _parse(arguments)
    measure = _measure if len(options.suites) == 1 else _measure_apart
    statuses = [measure(name, options) for name in options.suites]
    return int(any(statuses))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    listing = "\n".join(f"  {name:<12}{suite.DESCRIPTION}" for name, suite in SUITES.items())
    parser = Parser(
        prog="python -m benchmarks speed",
        description="Measure the method's speed, side by side with alternatives. Run it on an idle "
        f"machine.\n\nsuites:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("content").add_argument
    folder: dict[str, Any] = {"type": Path, "metavar": "DIR"}
    add("suites", nargs="*", metavar="SUITE", help="the suites to measure (default: all)")
    add("--quick", action="store_true", help="use small sizes, to check that everything works")
    add("--root", **folder, help="real data for the suite run (default: none)")
    add = parser.add_argument_group("output").add_argument
    add("--output", **folder, default=Path("runs/speed"), help="the results (default: runs/speed)")
    add = parser.add_argument_group("machine").add_argument
    add("--device", choices=("cpu", "cuda"), default="cpu", help="the device (default: cpu)")
    add(
        "--seconds",
        type=float,
        metavar="S",
        help="start no row of a suite after this time (default: no limit on a CPU; on a GPU, the "
        "suite's share of 8 minutes)",
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        meant = guess(unknown[0], SUITES)
        parser.error(f"there is no suite {unknown[0]!r}; known: {', '.join(SUITES)}{meant}")
    if options.device == "cuda" and not torch.cuda.device_count():
        parser.error("--device cuda: PyTorch finds no GPU here; omit it to measure the CPU")
    if options.root is not None and not options.root.is_dir():
        parser.error(f"--root {options.root}: there is no such folder")
    options.suites = options.suites or [
        name for name, suite in SUITES.items() if options.device == "cpu" or suite.SECONDS
    ]
    return options


def _measure(name: str, options: argparse.Namespace) -> int:
    """Measure a suite in this process, and write its results after every row."""
    suite = SUITES[name]
    started = time.monotonic()
    seconds = _seconds(name, options)
    setup = Setup(
        torch.device(options.device),
        options.quick,
        lambda line: print(f"  {name}: {line}", file=sys.stderr, flush=True),
        options.root,
    )
    found: dict[str, Any] = {}
    for rows in suite.measure(setup):
        found = {
            "suite": name,
            "quick": options.quick,
            "machine": {**versions(torch.get_num_threads()), **_accelerator(setup.device)},
            "seconds_taken": round(time.monotonic() - started, 1),
            **rows,
        }
        write_json(options.output / f"{name}.json", found)
        if seconds is not None and time.monotonic() - started > seconds:
            setup.progress(f"stopped after {seconds:g} seconds")
            break
    tables = [suite.table, *getattr(suite, "PARTS", {}).values()]
    shown = "\n\n".join(table(found) for table in tables)
    print(f"\n{shown}\n\n{options.output / name}.json", flush=True)
    failed = found.get("failed", {})
    for row, reason in failed.items():
        print(f"{name}, {row}: {reason}", file=sys.stderr)
    return 1 if failed else 0


def _measure_apart(name: str, options: argparse.Namespace) -> int:
    """Measure a suite in its own process, and stop that process if it overruns its time."""
    command = [sys.executable, "-m", "benchmarks", "speed", name, "--device", options.device]
    command += ["--output", str(options.output)] + ["--quick"] * options.quick
    seconds = _seconds(name, options)
    if seconds is not None:
        command += ["--seconds", str(seconds)]
    if options.root is not None:
        command += ["--root", str(options.root)]
    try:
        timeout = None if seconds is None else seconds + GRACE
        status = subprocess.run(command, check=False, timeout=timeout).returncode
    except subprocess.TimeoutExpired:
        print(f"{name}: stopped in the middle of a row, at its time limit", file=sys.stderr)
        return 1
    if status < 0:
        print(f"{name}: killed by signal {-status}", file=sys.stderr)
    return status


def _seconds(name: str, options: argparse.Namespace) -> float | None:
    share = None if options.device == "cpu" else SUITES[name].SECONDS
    return share if options.seconds is None else float(options.seconds)


def _accelerator(device: torch.device) -> dict[str, Any]:
    """Describe a GPU; `versions` describes the CPU."""
    if device.type != "cuda":
        return {}
    properties = torch.cuda.get_device_properties(device)
    return {
        "gpu": properties.name,
        "gpu_bytes": properties.total_memory,
        "gpu_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
