"""The command `report`: make tables and figures from run folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands.parser import CommandError, Parser
from benchmarks.report import FORMATS, DamagedRunError, print_report


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks report` with these arguments and return its exit status."""
    parser = Parser(
        prog="python -m benchmarks report",
        description="Make tables and figures from finished runs.",
    )
    source = parser.add_argument_group("input")
    source.add_argument(
        "runs", nargs="+", type=Path, help="run folders, or folders that contain some"
    )
    target = parser.add_argument_group("output")
    target.add_argument(
        "--output", type=Path, metavar="DIR", help="write tables and figures to this folder"
    )
    target.add_argument(
        "--format", nargs="+", choices=FORMATS, help="the formats to write (default: all)"
    )
    target.add_argument("--omega", action="store_true", help="show the tables of Ω by layer, too")
    options = parser.parse_args(arguments)
    if options.format and options.output is None:
        parser.error("--format says what to write to a folder; name it with --output DIR")
    try:
        files = print_report(
            options.runs, options.output, formats=options.format, omega=options.omega
        )
    except DamagedRunError as error:
        raise CommandError(str(error)) from error
    for file in files:
        print(file)
    return 0
