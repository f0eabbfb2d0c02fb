"""Run the tests of the W&B logger with several versions of wandb, and record what passed.

`python -m benchmarks.commands.wandb_versions 0.27.0 0.31.0` installs each version, with what it needs,
into a separate folder that precedes the environment on the path; the environment stays as it is.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.commands.parser import Parser
from benchmarks.record.files import RESULTS, ROOT, write_json

TESTS = "tests/logging"
RESULT = RESULTS / "wandb-versions.json"
PYTEST = (
    *("-m", "pytest", "-p", "no:cacheprovider"),
    *("-W", "ignore::DeprecationWarning"),  # older versions of wandb use deprecated code
    *("--ignore", f"{TESTS}/test_versions.py"),  # checks the record that this script writes
)

_PACKAGES = ("torch", "avalanche-lib", "numpy")


def tested(wandb: str, folder: Path) -> dict[str, Any]:
    """Install a version of wandb in a folder, and return the outcome of the tests with it."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
    subprocess.run([*install, f"wandb=={wandb}"], check=True)
    report = folder / "report.xml"
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    given = filter(None, [environment.get("PYTHONPATH")])
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(folder), *given])
    subprocess.run(
        [sys.executable, *PYTEST, f"--junitxml={report}", TESTS],
        cwd=ROOT,
        env=environment,
        check=False,
    )
    return outcome(report)


def outcome(report: Path) -> dict[str, Any]:
    """Return how many tests passed, and the names of those that failed or were skipped."""
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 (pytest's own report)
    named: dict[str, list[str]] = {"failed": [], "skipped": []}
    for case in cases:
        kinds = {child.tag for child in case}
        name = f"{case.get('classname')}::{case.get('name')}"
        if kinds & {"failure", "error"}:
            named["failed"].append(name)
        elif "skipped" in kinds:
            named["skipped"].append(name)
    passed = len(cases) - sum(map(len, named.values()))
    return {"passed": passed, **named}


def main(arguments: Sequence[str]) -> None:
    """Test the versions named on the command line, and write the record."""
    parser = Parser(
        prog="python -m benchmarks.commands.wandb_versions",
        description="Run the tests of the W&B logger with several versions of wandb.",
    )
    parser.add_argument("versions", nargs="+", help="versions of wandb, such as 0.31.0")
    parser.add_argument("--output", type=Path, default=RESULT, help="the record to write")
    options = parser.parse_args(arguments)
    results = {}
    for wandb in options.versions:
        with tempfile.TemporaryDirectory() as folder:
            results[wandb] = tested(wandb, Path(folder))
    record = {
        "tests": TESTS,
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "wandb": results,
    }
    write_json(options.output, record)


if __name__ == "__main__":
    main(sys.argv[1:])
