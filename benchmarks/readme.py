"""The command `readme`: the numbers and pictures of README.md come from result files only."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import ReportError, fill_block, print_report
from benchmarks.report.blocks import fill

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
RUNS = ("drawn", "two-tasks", "sequence")
SPEED = ("importance", "penalty")


def main(arguments: Sequence[str]) -> int:
    """Fill the blocks of README.md and draw its pictures from `benchmarks/results`, or check it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks readme",
        description="Fill the generated blocks of README.md from benchmarks/results.",
    )
    parser.add_argument("--check", action="store_true", help="fail where one is out of date")
    check = parser.parse_args(arguments).check
    try:
        for name in RUNS:
            fill_block([RESULTS / name], ROOT / "README.md", name, check=check)
        for name in SPEED:
            fill(ROOT / "README.md", f"speed-{name}", speed_table(name), check=check)
        if not check:
            pictures = RESULTS / "figures"
            print_report([RESULTS / "drawn"], pictures, formats=["figures"], stream=io.StringIO())
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def speed_table(name: str) -> str:
    """Show a recorded speed suite as Markdown, with the machine it ran on."""
    from benchmarks.speed import SUITES

    found = json.loads((RESULTS / "speed" / f"{name}.json").read_text(encoding="utf-8"))
    machine = found["machine"]
    where = f"{machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}"
    return f"{SUITES[name].table(found)}\n\nMeasured on: {where}."
