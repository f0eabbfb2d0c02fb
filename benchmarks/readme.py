"""The command `readme`: the numbers and pictures of README.md come from result files only."""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import ReportError, fill_block, print_report
from benchmarks.report.blocks import fill

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SPEED = "speed-"
"""What the names of the blocks begin with that are not of runs but of a speed suite."""

PICTURES = ("drawn", "importance-data", "adaptation", "local-vs-global")
"""The blocks whose runs also give pictures."""


def main(arguments: Sequence[str]) -> int:
    """Fill the blocks of README.md and draw its pictures from `benchmarks/results`, or check it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks readme",
        description="Fill the generated blocks of README.md from benchmarks/results.",
    )
    parser.add_argument("--check", action="store_true", help="fail where one is out of date")
    check = parser.parse_args(arguments).check
    try:
        names = block_names((ROOT / "README.md").read_text(encoding="utf-8"))
        for name in names:
            _fill(name, check=check)
        for name in () if check else [name for name in names if name in PICTURES]:
            pictures = RESULTS / "figures"
            print_report([RESULTS / name], pictures, formats=["figures"], stream=io.StringIO())
    except ReportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def block_names(text: str) -> list[str]:
    """Return the names of a text's marked blocks: of folders in `benchmarks/results`, mostly."""
    return re.findall(r"^<!-- generated: (\S+) -->$", text, re.MULTILINE)


def _fill(name: str, *, check: bool) -> None:
    page = ROOT / "README.md"
    if name.startswith(SPEED):
        fill(page, name, speed_table(name.removeprefix(SPEED)), check=check)
    else:
        fill_block([RESULTS / name], page, name, check=check)


def speed_table(name: str) -> str:
    """Show a recorded speed suite as Markdown, with the machine it ran on."""
    from benchmarks.speed import SUITES

    found = json.loads((RESULTS / "speed" / f"{name}.json").read_text(encoding="utf-8"))
    machine = found["machine"]
    where = f"{machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}"
    return f"{SUITES[name].table(found)}\n\nMeasured on: {where}."
