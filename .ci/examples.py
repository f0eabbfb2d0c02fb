"""Run the README's first example and those in docs/examples, and record what they print.

`python .ci/examples.py [NAME ...]`; then `python -m benchmarks docs` writes it into the README and the
examples' docstrings. Each runs in a process of its own, on one thread, in an empty folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from release import first_example

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
RECORD = ROOT / "benchmarks" / "results" / "examples.json"


def main(names: list[str]) -> None:
    """Run the examples of these names, by default all."""
    codes = {file.stem: file.read_text(encoding="utf-8") for file in sorted(EXAMPLES.glob("*.py"))}
    codes["README"] = first_example()
    found = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    for name in names or codes:
        found[name] = printed(codes[name]).strip()
        print(f"{name}\n{found[name]}\n")
    text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
    RECORD.write_text(f"{text}\n", encoding="utf-8")


def printed(code: str) -> str:
    """Return what a program prints.

    Raises:
        CalledProcessError: it failed.
    """
    ours = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-W", "ignore", "-c", code]
        environment = {**os.environ, **ours}
        done = subprocess.run(
            words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
