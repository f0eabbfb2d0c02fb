"""The processes that tests start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOWHERE = "http://127.0.0.1:9"  # a port that nothing listens on
OFFLINE = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE),
    "HF_HUB_OFFLINE": "1",
    "WANDB_MODE": "offline",
}
"""Variables for `run_python` that leave a process without network."""


def python_path() -> str:
    """PYTHONPATH of another process: this checkout, then what this process was given."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def run_python(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with one thread and more variables of the environment.

    It starts a wandb process of its own if it needs one: for that of a test, which it would inherit, its
    `wandb.teardown()` would not wait.
    """
    ours = {"PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"}
    inherited = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**inherited, **ours, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
