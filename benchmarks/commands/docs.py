"""The command `docs`: the numbers and pictures in the documents come from result files only."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.parser import CommandError, Parser
from benchmarks.report import ReportError, block_text, fill, print_report

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
SPEED = "speed-"
"""What the names of the blocks begin with that are not of runs but of a speed suite."""


def main(arguments: Sequence[str]) -> int:
    """Fill the blocks of the documents and draw their pictures from `benchmarks/results`, or check."""
    parser = Parser(
        prog="python -m benchmarks docs",
        description="Fill the generated blocks of README.md and docs from benchmarks/results.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing, and fail where a block is out of date; pictures are not looked at",
    )
    check = parser.parse_args(arguments).check
    shown = set[str]()
    try:
        for document in documents():
            text = document.read_text(encoding="utf-8")
            for name in block_names(text):
                fill(document, name, content(name), check=check)
            shown |= pictured(text)
        for name in () if check else sorted(shown):
            pictures = RESULTS / "figures" / name
            print_report([RESULTS / name], pictures, formats=["figures"], stream=io.StringIO())
    except (ValueError, OSError) as error:
        raise CommandError(str(error)) from error
    return 0


def documents() -> list[Path]:
    """The documents that may have generated blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def block_names(text: str) -> list[str]:
    """The names of a text's marked blocks, each of which says what belongs there (`content`)."""
    return re.findall(r"^<!-- generated: (\S+) -->$", text, re.MULTILINE)


def pictured(text: str) -> set[str]:
    """The folders in `benchmarks/results` whose figures a text shows."""
    return set(re.findall(r"benchmarks/results/figures/([^/)]+)/", text))


def content(name: str) -> str:
    """What belongs into the block of that name.

    Args:
        name: a folder in `benchmarks/results` for the headline tables of its runs, `FOLDER/TABLE` for
            another one of their tables, or `speed-SUITE`.

    Raises:
        ReportError: the runs cannot be reported, or have no such table; or no such suite is known.
        OSError: the suite was not recorded.
    """
    if name.startswith(SPEED):
        return speed_table(name.removeprefix(SPEED))
    folder, _, table = name.partition("/")
    return block_text([RESULTS / folder], table or None)


def speed_table(name: str) -> str:
    """Show a recorded speed suite as Markdown, with the machine it ran on."""
    from benchmarks.commands.speed import SUITES

    if name not in SUITES:
        raise ReportError(f"there is no speed suite {name!r}; there are {', '.join(SUITES)}")
    found = json.loads((RESULTS / "speed" / f"{name}.json").read_text(encoding="utf-8"))
    machine = found["machine"]
    where = f"{machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}"
    return f"{SUITES[name].table(found)}\n\nMeasured on: {where}."
