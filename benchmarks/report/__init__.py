"""Tables and figures from run folders. Reads results only: nothing here trains or loads a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.report.arguments import add_arguments
from benchmarks.report.blocks import fill
from benchmarks.report.runs import ReportError
from benchmarks.report.write import block_text, fill_block, print_report

__all__ = [
    "ReportError",
    "add_arguments",
    "block_text",
    "fill",
    "fill_block",
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
    if (args.readme is None) != (args.block is None):
        parser.error("--readme FILE and --block NAME belong together")
    if args.check and args.readme is None:
        parser.error("--check needs --readme FILE and --block NAME")
    if args.readme is not None and args.output is not None:
        parser.error("--readme and --output are two different tasks; use one at a time")
    return _report(args)


def _report(args: argparse.Namespace) -> int:
    try:
        if args.readme is not None:
            fill_block(args.runs, args.readme, args.block, check=args.check)
            return 0
        written = print_report(args.runs, args.output, formats=args.format)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for file in written:
        print(file)
    return 0
