"""Starting a script in several processes, as users do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.processes import python_path

HERE = Path(__file__).parent


def torchrun(processes: int, script: Path, *arguments: str, seconds: float = 240) -> str:
    """Run it, and return what it printed. It is stopped after so many seconds."""
    command = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    return done.stdout
