"""The command `architectures`: Ω of many networks against loops of batch size one."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from avalanche_mas.options import guess
from benchmarks.commands.architectures.catalogue import FAMILIES
from benchmarks.commands.parser import CommandError, Parser, positive
from benchmarks.record.files import read_json, write_json
from benchmarks.record.folders import versions
from benchmarks.report.pages.architectures import CRASHED, DIFFERS, outcomes

ROW = (sys.executable, "-m", "benchmarks.commands.architectures.row")


def main(arguments: Sequence[str]) -> int:
    """Measure networks, each in a process of its own, and record each as soon as it is done.

    What is recorded already is not measured again, unless it failed. The exit status is 1 if a network
    crashed or differs.
    """
    options = _parse(arguments)
    wrong = []
    for family, names in _chosen(options).items():
        file = options.output / f"{family}.json"
        recorded = _recorded(file, family)
        for name in names:
            if "failed" in recorded["networks"].get(name, {"failed": "not tried"}):
                row = measure_apart(family, name, options.seconds, options.megabytes)
                recorded["networks"][name] = row
                write_json(file, recorded)
                print(f"{family}, {name}: {' | '.join(outcomes(row))}", flush=True)
            if {CRASHED, DIFFERS} & set(outcomes(recorded["networks"][name])):
                wrong.append(name)
    if wrong:
        print(f"crashed or differ: {', '.join(wrong)}", file=sys.stderr)
    return int(bool(wrong))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="python -m benchmarks architectures",
        description="Compare the importance of many networks, of both forms, with loops of batch size "
        "one. Repeat the command to continue.",
    )
    add = parser.add_argument
    add("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="(default: all)")
    add("--networks", nargs="+", metavar="NAME", help="only these networks of the families")
    add(
        "--output",
        type=Path,
        metavar="DIR",
        default=Path("runs/architectures"),
        help="a file per family (default: runs/architectures)",
    )
    add(
        "--seconds", type=positive, default=900, metavar="N", help="a network's time (default: 900)"
    )
    add(
        "--megabytes",
        type=positive,
        default=12_000,
        metavar="N",
        help="a network's memory (default: 12000)",
    )
    return parser.parse_args(arguments)


def _chosen(options: argparse.Namespace) -> dict[str, list[str]]:
    """Return the names of the networks to measure, by family."""
    known = {family: list(FAMILIES[family].names()) for family in _installed(options.families)}
    wanted = options.networks or [name for names in known.values() for name in names]
    unknown = set(wanted).difference(*known.values())
    if unknown:
        name, every = sorted(unknown)[0], [name for names in known.values() for name in names]
        raise ValueError(
            f"no network {name!r} in {', '.join(known)}; there are {', '.join(every)}"
            f"{guess(name, every)}"
        )
    return {family: [n for n in names if n in wanted] for family, names in known.items()}


def _installed(families: Sequence[str]) -> Sequence[str]:
    for family in families:
        if not find_spec(FAMILIES[family].package):
            raise CommandError(
                f"{family} is not installed; run pip install '.[architectures]', or leave it out with "
                "--families"
            )
    return families


def _recorded(file: Path, family: str) -> dict[str, Any]:
    """Return what is recorded of a family, or the beginning of a record.

    Raises:
        ValueError: It was recorded with other versions, with other code or on another machine.
    """
    package = FAMILIES[family].package
    now = {**versions(torch.get_num_threads()), package: version(package)}
    if not file.is_file():
        return {"versions": now, "networks": {}}
    recorded: dict[str, Any] = read_json(file)
    for name in now.keys() - {"threads", "platform"}:
        there = recorded["versions"][name]
        if there != now[name]:
            raise ValueError(
                f"{file} was recorded with {name} {there}, and here is {now[name]}; remove it, or choose "
                "another --output"
            )
    return recorded


def measure_apart(family: str, name: str, seconds: int, megabytes: int) -> dict[str, Any]:
    """Measure a network in a process of its own; a crash or a time-out is a result, too."""
    try:
        done = subprocess.run(
            [*ROW, family, name, str(megabytes)],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {seconds} s"}
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing said"]
        return {"failed": f"exit status {done.returncode}: {said[-1][:300]}"}
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row
