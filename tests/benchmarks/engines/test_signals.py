"""Commands that a scheduler or Ctrl-C ends in the middle of a task."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.benchmarks.interruptions import numbers
from tests.benchmarks.sessions import python

SMALL = ["two-tasks", "--tasks", "letters", "svhn", "--methods", "mas", "--epochs", "2"]
SMALL += ["--batch-size", "8", "--wandb", "disabled", "--threads", "1"]
STEPS = re.compile(r"experience-\d+-step-(\d+)\.safetensors")


def command(output: Path) -> subprocess.Popen[str]:
    return python("-m", "benchmarks", "run", *SMALL, "--output", output)


def ended(output: Path) -> dict[str, object]:
    """Do or finish the run, and return its numbers."""
    with command(output) as process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    (folder,) = (file.parent for file in output.rglob("result.json"))
    return numbers(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], dict[str, object]]:
    return cache(lambda: ended(tmp_path_factory.mktemp("whole")))


def in_training(output: Path) -> None:
    """Wait for the first steps of a run."""
    end = time.monotonic() + 300
    while not list(output.rglob("experience-00000.safetensors")):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.5)


@pytest.mark.parametrize(
    ("name", "to_all", "status"),
    [("SIGTERM", False, 143), ("SIGUSR1", True, 138)],
)
def test_a_signal_saves_within_the_task_and_the_same_command_goes_on(
    name: str, to_all: bool, status: int, tmp_path: Path, whole: Callable[[], object]
) -> None:
    """Sent to the command alone, or, as schedulers do, to all of its processes."""
    number = signal.Signals[name]
    with command(tmp_path) as process:
        in_training(tmp_path)
        (os.killpg if to_all else os.kill)(process.pid, number)
        os.kill(process.pid, number)  # schedulers repeat it
        _, err = process.communicate(timeout=120)
    assert process.returncode == status, err
    assert f"stopped by {name}; what is done is kept, repeat the command to continue" in err
    assert "Traceback" not in err
    steps = [int(m[1]) for file in tmp_path.rglob("*") if (m := STEPS.fullmatch(file.name))]
    assert max(steps) > 0
    assert not list(tmp_path.rglob("error.log"))
    assert ended(tmp_path) == whole()
