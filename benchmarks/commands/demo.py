"""The command `demo`: a comparison on drawn images, its table and its pictures, in minutes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.options import Options
from benchmarks.commands.parser import Parser
from benchmarks.commands.run import run_experiment
from benchmarks.engines.cores import cores

METHODS = ("fine-tuning", "si", "si-repaired", "lwf", "ewc", "mas", "l-mas", "joint")
"""What is compared: as many as take minutes. `run eight-tasks` compares all there are."""

FOLDER = Path("demo")
"""Where the demo leaves its runs, and in `report` its tables and pictures; not below `runs`, where
`run` does the same again and `report` would meet both."""


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks demo` and return its exit status."""
    Parser(
        prog="python -m benchmarks demo",
        description="Compare eight methods on eight tasks drawn by code, one seed, in "
        f"{FOLDER}; what is there already is not done again.",
    ).parse_args(arguments)
    begin = time.monotonic()
    status = run_experiment(demo_options(FOLDER))
    if status:
        return status
    from benchmarks.commands.report import main as report

    status = report([str(FOLDER), "--output", str(FOLDER / "report")])
    minutes = (time.monotonic() - begin) / 60
    print(
        f"tables, pictures and report.html are in {FOLDER / 'report'} (after {minutes:.1f} minutes)"
    )
    return status


def demo_options(folder: Path) -> Options:
    """Return the command line that the demo stands for: two runs at a time."""
    return Options("eight-tasks", methods=METHODS, output=folder, threads=1, jobs=min(2, cores()))
