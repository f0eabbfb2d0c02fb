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
    """Run Python in a folder, with one thread and more variables of the environment."""
    ours = {"PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, **ours, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
