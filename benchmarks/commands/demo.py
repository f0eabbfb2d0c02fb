"""The command `demo`: a comparison on drawn images, with its report, in minutes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.options import Options
from benchmarks.commands.parser import Parser
from benchmarks.commands.run import run_experiment
from benchmarks.engines.machine import cores

METHODS = ("fine-tuning", "si", "si-repaired", "lwf", "ewc", "mas", "l-mas", "joint")
"""As many methods as can be compared in minutes; `run eight-tasks` compares all of them."""

FOLDER = Path("demo")
"""The folder of the demo's runs; its report is in `report` below. It is not below `runs`, where
`report` would find the same runs twice once `run` has repeated them."""


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks demo` and return its exit status."""
    Parser(
        prog="python -m benchmarks demo",
        description="Compare eight methods on eight tasks drawn by code, with one seed. The runs and "
        f"the report go to the folder {FOLDER}; runs that are there already are kept.",
    ).parse_args(arguments)
    begin = time.monotonic()
    status = run_experiment(demo_options(FOLDER))
    if status:
        return status
    from benchmarks.commands.report import main as report

    status = report([str(FOLDER), "--output", str(FOLDER / "report")])
    minutes = (time.monotonic() - begin) / 60
    print(f"tables, figures and report.html are in {FOLDER / 'report'} ({minutes:.1f} minutes)")
    return status


def demo_options(folder: Path) -> Options:
    """Return the options of the demo's runs, two at a time."""
    return Options("eight-tasks", methods=METHODS, output=folder, threads=1, jobs=min(2, cores()))
