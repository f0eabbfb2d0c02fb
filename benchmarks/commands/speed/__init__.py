"""How fast the method is, and against what: `python -m benchmarks speed`.

Each suite is a module with ``NAME``, ``DESCRIPTION``, ``measure(quick, progress)``, which gives what it
found as plain data, and ``table(found)``, which shows that as Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.commands.speed import decoding, forms, importance, penalty, tracking
from benchmarks.record.files import write_atomically, write_json
from benchmarks.record.folders import versions

SUITES = {suite.NAME: suite for suite in (importance, forms, penalty, decoding, tracking)}


def main(arguments: Sequence[str]) -> int:
    """Measure the suites that are asked for; write NAME.json and NAME.md; print the tables."""
    listing = "\n".join(f"  {name:<12}{suite.DESCRIPTION}" for name, suite in SUITES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks speed",
        description=f"Measure side by side, in one process, on a quiet machine.\n\nsuites:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="which ones (default: all)")
    parser.add_argument("--output", type=Path, default=Path("runs/speed"), metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f"there is no suite {unknown[0]!r}; known: {', '.join(SUITES)}")

    for name in options.suites or SUITES:
        suite = SUITES[name]
        found = {
            "suite": name,
            "quick": options.quick,
            "machine": versions(torch.get_num_threads()),
            **suite.measure(options.quick, lambda line: print(f"  {line}", file=sys.stderr)),
        }
        text = f"{suite.table(found)}\n"
        write_json(options.output / f"{name}.json", found)
        write_atomically(options.output / f"{name}.md", text)
        print(f"\n{text}\n{options.output / name}.json")
    return 0
