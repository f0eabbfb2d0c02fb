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
