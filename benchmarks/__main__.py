"""`python -m benchmarks COMMAND`: the command line of the comparison."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "run": ("benchmarks.commands.run", "train methods on a sequence of tasks, one run folder each"),
    "tune": ("benchmarks.commands.tune", "choose every method's strength on validation data"),
    "report": ("benchmarks.report", "turn run folders into tables and figures"),
    "data": ("benchmarks.data", "list, fetch, check and show the data sets"),
    "speed": ("benchmarks.commands.speed", "measure how fast the method is, and against what"),
    "docs": (
        "benchmarks.commands.docs",
        "fill the numbers of README.md and docs from benchmarks/results",
    ),
    "demo": ("benchmarks.commands.demo", "a comparison on drawn images, in minutes"),
}
"""Where each command lives (a module with `main(arguments) -> exit status`), and what it does."""


def main(arguments: Sequence[str]) -> int:
    """Run the command named by the first argument and return its exit status."""
    lines = "\n".join(f"  {name:<8}{sentence}" for name, (_, sentence) in COMMANDS.items())
    usage = f"usage: python -m benchmarks COMMAND [--help] ...\n\ncommands:\n{lines}"
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage)
        return 0 if arguments else 2
    if arguments[0] not in COMMANDS:
        print(f"{usage}\n\nerror: there is no command {arguments[0]!r}", file=sys.stderr)
        return 2
    status: int = import_module(COMMANDS[arguments[0]][0]).main(arguments[1:])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
