"""Run Avalanche's own tests of training with the plugins of this library, and record what came of them.

`python -m benchmarks.commands.avalanche_tests CHECKOUT` takes a checkout of Avalanche's repository and
runs each test file that trains in three ways, see `WAYS`. What the environment lacks, such as the solver
that GEM needs, can be in a folder named by PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.commands.parser import Parser, positive
from benchmarks.record.files import RESULTS, ROOT, write_json
from benchmarks.report.pages.avalanche_tests import WAYS

RESULT = RESULTS / "avalanche-tests.json"
INSIDE = "benchmarks.commands.avalanche_tests.inside"
TRAINS = re.compile(r"strat\w*\.train\(|run_strategy\(")
"""What a test file that trains a strategy has in it."""

_PACKAGES = ("avalanche-lib", "torch", "numpy", "pytest")


def main(arguments: list[str] | None = None) -> None:
    """Run the tests of a checkout, and write the record."""
    parser = Parser(prog="python -m benchmarks.commands.avalanche_tests")
    parser.add_argument("checkout", type=Path, help="a checkout of Avalanche's repository")
    parser.add_argument("--output", type=Path, default=RESULT, help="the record to write")
    parser.add_argument("--limit", type=positive, default=120, help="seconds for a test")
    parser.add_argument("--limit-file", type=positive, default=1200, help="seconds for a test file")
    options = parser.parse_args(arguments)
    checkout = options.checkout.resolve()
    files = training_files(checkout)
    if not files:
        parser.error(f"no test_*.py below {checkout / 'tests'} trains a strategy")
    versions = {package: version(package) for package in _PACKAGES}
    tests: dict[str, dict[str, Any]] = {}
    for file in files:
        for way in WAYS:
            for outcome in run_tests(checkout, file, way, options.limit, options.limit_file):
                tests.setdefault(outcome.pop("test"), {})[way] = outcome
        kept = {name: ways for name, ways in tests.items() if concerned(name, ways)}
        write_json(options.output, {"python": platform.python_version(), **versions, "tests": kept})


def training_files(checkout: Path) -> list[str]:
    """Return the test files that train a strategy, relative to the checkout."""
    files = sorted((checkout / "tests").rglob("test_*.py"))
    found = [file for file in files if TRAINS.search(file.read_text(encoding="utf-8"))]
    return [file.relative_to(checkout).as_posix() for file in found]


def concerned(name: str, ways: dict[str, dict[str, Any]]) -> bool:
    """Return whether a test makes a strategy, or is one of training that fails before it makes any."""
    fails = name.startswith("tests/training/") and ways[WAYS[0]]["outcome"] != "passed"
    return fails or any(outcome.get("strategies") for outcome in ways.values())


def run_tests(
    checkout: Path, file: str, way: str, limit: int, limit_file: int
) -> list[dict[str, Any]]:
    """Run the tests of a file in one of the ways, and return what `inside` recorded of each."""
    given = filter(None, [os.environ.get("PYTHONPATH")])
    paths = {"PYTHONPATH": os.pathsep.join([str(checkout), str(ROOT), *given])}
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder, "record")
        plugins = ["-p", "no:cacheprovider", "-p", INSIDE, "-o", "addopts="]
        passed = [f"--rootdir={checkout}", f"--way={way}", f"--limit={limit}", f"--record={record}"]
        command = [sys.executable, "-m", "pytest", "--quiet", *plugins, *passed, file]
        stopped = f"the tests of the file were stopped after {limit_file} s"
        try:
            subprocess.run(
                command, cwd=checkout, env=os.environ | paths, check=False, timeout=limit_file
            )
        except subprocess.TimeoutExpired:
            print(f"{file}, {way}: {stopped}", file=sys.stderr)
        return outcomes(record, stopped)


def outcomes(record: Path, stopped: str) -> list[dict[str, Any]]:
    """Return what is recorded of each test, and of those that were not reached that it was stopped."""
    if not record.exists():
        raise SystemExit("pytest could not collect the tests; see what it said")
    names, *found = map(json.loads, record.read_text(encoding="utf-8").splitlines())
    missing = [name for name in names if name not in {outcome["test"] for outcome in found}]
    return [
        *found,
        *({"test": name, "outcome": "failed", "message": stopped} for name in missing),
    ]


if __name__ == "__main__":
    main()
