"""Run the test suite on every supported Python, and with the oldest dependencies, and record the outcome.

`python .ci/suites.py [NAME ...]`, with uv and the Pythons on the path. A NAME is a Python or `oldest`; by
default all run, one after the other, each in an environment of its own and twenty minutes or more on two
cores. `python -m benchmarks docs` makes a table of them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from release import PYTHONS, ROOT, run

RECORD = ROOT / "benchmarks" / "results" / "suites.json"
NAMES = (*PYTHONS, "oldest")
COUNTS = re.compile(r"(\d+) (passed|skipped|failed|errors?)")
VERSIONS = (
    "import json; from benchmarks.record.folders import versions; print(json.dumps(versions(2)))"
)


def main(names: list[str]) -> int:
    """Run the suites of these names, by default all; return 1 if a test failed."""
    wrong = [name for name in names if name not in NAMES]
    if wrong:
        sys.exit(f"unknown {', '.join(wrong)}; the suites are {', '.join(NAMES)}")
    failed = 0
    for name in names or NAMES:
        with tempfile.TemporaryDirectory() as folder:
            found = suite(environment(name, Path(folder)))
        known = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
        ordered = {one: row for one in NAMES if (row := {**known, name: found}.get(one))}
        RECORD.write_text(f"{json.dumps(ordered, indent=1)}\n", encoding="utf-8")
        print(
            f"{name}: {found['passed']} passed, {found['skipped']} skipped, {found['failed']} failed"
        )
        failed += found["failed"]
    return 1 if failed else 0


def environment(name: str, folder: Path) -> Path:
    """Make an environment with the pinned dependencies, or the oldest; return its Python."""
    version = PYTHONS[0] if name == "oldest" else name
    base = shutil.which(f"python{version}")
    if base is None:
        sys.exit(f"there is no python{version} on the path; install it, or name other suites")
    python = folder / "venv" / "bin" / "python"
    which = (
        ("--resolution", "lowest-direct")
        if name == "oldest"
        else ("--constraint", ROOT / "constraints.txt")
    )
    run("uv", "venv", "--python", base, folder / "venv")
    own = ("--requirement", ROOT / "pyproject.toml", "--extra", "dev")
    run("uv", "pip", "install", "--python", python, *which, *own)
    return python


def suite(python: Path) -> dict[str, Any]:
    """Run the suite; return its numbers, when it ran, and with which versions."""
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}
    begin = time.monotonic()
    words = [python, "-m", "pytest", "-n", "2", "-q", "--tb=short"]
    done = subprocess.run(words, cwd=ROOT, env=ours, check=False, stdout=subprocess.PIPE, text=True)
    counts = {kind: int(number) for number, kind in COUNTS.findall(done.stdout.splitlines()[-1])}
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    if failed or "passed" not in counts:
        print(done.stdout)
    if not counts:
        sys.exit(f"{python} -m pytest ended with {done.returncode} and says no numbers")
    said = subprocess.run(
        [python, "-c", VERSIONS], cwd=ROOT, env=ours, check=True, stdout=subprocess.PIPE, text=True
    )
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "passed": counts.get("passed", 0),
        "skipped": counts.get("skipped", 0),
        "failed": failed,
        "minutes": round((time.monotonic() - begin) / 60, 1),
        "versions": json.loads(said.stdout),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
