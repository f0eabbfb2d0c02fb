"""Commands as they are typed, so that their exit status is the one a shell sees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.__main__ import main
from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import plan

TINY = ("--tasks", "letters", "svhn", "--epochs", "1", "--batch-size", "8", "--wandb", "disabled")


def _type(command: str, arguments: Sequence[str]) -> int:
    return main([command, *arguments])


data, docs, report = (partial(_type, command) for command in ("data", "docs", "report"))


def run(output: Path, *arguments: str) -> int:
    return main(["run", "two-tasks", *TINY, "--output", str(output), *arguments])


def options(*arguments: str) -> Options:
    return parse("run", "", ["eight-tasks", *arguments])


def record_tuning(file: Path, asked: Options, **strengths: float) -> None:
    """Write what `tune` writes, as if it had been run with these options."""
    configuration = plan(asked)[0].as_json()
    methods = {name: {"strength": strength} for name, strength in strengths.items()}
    file.write_text(json.dumps({"configuration": configuration, "methods": methods}))
