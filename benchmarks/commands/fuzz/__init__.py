"""The command `fuzz`: damaged files of every kind that is read."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import torch

from benchmarks.commands.fuzz.mutations import MUTATIONS
from benchmarks.commands.fuzz.readers import READERS
from benchmarks.commands.fuzz.worker import WRONG, Trial, Workers
from benchmarks.commands.parser import Parser, positive
from benchmarks.record.files import RESULTS, write_json
from benchmarks.record.folders import versions

RESULT = RESULTS / "fuzz.json"


def main(arguments: Sequence[str]) -> int:
    """Read damaged files, record what came of it, and return 1 if anything but an answer of ours did."""
    parser = Parser(
        prog="python -m benchmarks fuzz",
        description="Damage files of every kind that is read, in every way, and count what comes of it.",
    )
    add = parser.add_argument
    add("--files", type=positive, default=12_000, metavar="N", help="(default: 12000)")
    add("--seed", type=int, default=0, metavar="N", help="of the damage (default: 0)")
    kinds = f"of {'; '.join(READERS)} (default: all)"
    add("--only", nargs="+", metavar="KIND", choices=READERS, default=list(READERS), help=kinds)
    add("--seconds", type=positive, default=20, metavar="N", help="for a file (default: 20)")
    add("--megabytes", type=positive, default=1000, metavar="N", help="for a file (default: 1000)")
    add("--output", type=Path, default=RESULT, help="the file to write")
    options = parser.parse_args(arguments)
    limits = {"seconds": options.seconds, "megabytes": options.megabytes}
    counts, wrong = counted(trials(options.only, options.seed), options.files, **limits)
    rows = [{"reader": r, "mutation": m, **kinds} for (r, m), kinds in counts.items()]
    about = {"seed": options.seed, **limits, "versions": versions(torch.get_num_threads())}
    write_json(options.output, {**about, "rows": rows, "wrong": wrong})
    print(f"{options.output}: {options.files} files, {len(wrong)} wrong", *wrong, sep="\n")
    return int(bool(wrong))


def trials(readers: Sequence[str], seed: int) -> Iterator[Trial]:
    """Yield trials without end, of every reader and mutation in turn."""
    for number, (mutation, reader) in enumerate(cycle(product(MUTATIONS, readers))):
        yield Trial(reader, mutation, 1_000_000 * seed + number)


def counted(
    wanted: Iterator[Trial], files: int, seconds: float, megabytes: int
) -> tuple[dict[tuple[str, str], Counter[str]], list[Any]]:
    """Return the counts of outcomes by reader and mutation, and the trials that were wrong."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    wrong = []
    with Workers(seconds, megabytes) as workers:
        done = ((trial, workers.run(trial)) for trial in wanted)
        applied = ((trial, outcome) for trial, outcome in done if outcome is not None)
        for number, (trial, outcome) in enumerate(islice(applied, files), start=1):
            counts.setdefault(trial[:2], Counter())[outcome.kind] += 1
            if outcome.kind == WRONG:
                wrong.append({**trial._asdict(), "said": outcome.said[:500]})
            if number % 1000 == 0:
                print(f"  {number} files", file=sys.stderr, flush=True)
    return counts, wrong
