"""The arguments of `python -m benchmarks report`."""

from __future__ import annotations

import argparse
from pathlib import Path

FORMATS = ("html", "markdown", "csv", "latex", "figures")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `report` to its parser."""
    parser.add_argument(
        "runs", nargs="+", type=Path, help="run folders, or folders that contain some"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write tables and figures to this folder"
    )
    parser.add_argument(
        "--format",
        nargs="+",
        choices=FORMATS,
        help="what to write there (default: everything)",
    )
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="fill a marked block of this Markdown file"
    )
    parser.add_argument(
        "--block", metavar="NAME", help="the block `<!-- generated: NAME -->` … `<!-- end -->`"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing, and fail where the block is not what the runs give",
    )
