"""Tables and figures from run folders. Reads results only: nothing here trains or loads a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.report.arguments import add_arguments
from benchmarks.report.blocks import fill
from benchmarks.report.numbers.runs import ReportError
from benchmarks.report.write import block_text, print_report

__all__ = [
    "ReportError",
    "add_arguments",
    "block_text",
    "fill",
    "main",
    "print_report",
]


def main(arguments: Sequence[str]) -> int:
    """Run `python -m benchmarks report` with these arguments and return its exit status.

    It is 2 where the input is at fault, which is explained on the standard error stream.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks report",
        description="Turn finished run folders into tables and figures.",
    )
    add_arguments(parser)
    args = parser.parse_args(arguments)
    if args.format and args.output is None:
        parser.error("--format says what to write to a folder; name it with --output DIR")
    return _report(args)


def _report(args: argparse.Namespace) -> int:
    try:
        written = print_report(args.runs, args.output, formats=args.format)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for file in written:
        print(file)
    return 0
