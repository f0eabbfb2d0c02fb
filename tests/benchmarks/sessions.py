"""Commands in their own processes, and what they leave behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.record.schema import METRICS, RESULT
from tests.benchmarks.light_jobs import PATIENCE
from tests.processes import python_path


def python(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start Python as the leader of a session of its own."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def numbers(run: Path) -> tuple[Any, str]:
    """Return a finished run's accuracies and all of its metrics."""
    return json.loads((run / RESULT).read_text())["accuracy"], (run / METRICS).read_text()


def check_interrupted_session(folder: Path, *engine: str) -> None:
    """Check a command that Ctrl-C stops, and the same command again on this machine."""
    with python(Path(__file__).with_name("interrupted_session.py"), folder, *engine) as command:
        out, err = command.communicate(timeout=2 * PATIENCE)
    assert command.returncode == 0, err
    assert json.loads(out.splitlines()[-1]) == [0, 130, 0], out + err
    assert "repeat the command to continue" in err
    whole = sorted(file.parent for file in (folder / "whole").glob(f"two-tasks/*/*/seed0/{RESULT}"))
    assert [run.parent.name for run in whole] == ["fine-tuning", "mas"]
    for run in whole:
        assert numbers(folder / "stopped" / run.relative_to(folder / "whole")) == numbers(run)
