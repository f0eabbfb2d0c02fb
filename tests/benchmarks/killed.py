"""Runs whose process is killed with `kill -9`, and that go on in another: a script.

For each place it does a tracked run in a folder of that name twice: killed there, and to its end;
then it prints both exit codes.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.run.job import Job
from benchmarks.run.runner import run
from tests.benchmarks.interruptions import before_step
from tests.benchmarks.run.test_resume import job_on_three, three_tasks

PLACES = ("in_the_second_task", "before_the_second_checkpoint")
TRACKED: dict[str, Any] = {"wandb": "offline", "tensorboard": True}


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_the_second_task(patch: pytest.MonkeyPatch) -> None:
    before_step(4, kill, patch)


def before_the_second_checkpoint(patch: pytest.MonkeyPatch) -> None:
    """Kill it when the checkpoint after the first task is complete but not yet in place."""
    original = Path.replace

    def replaced(self: Path, target: Path) -> Path:
        if target.name == "experience-00001.safetensors":
            kill()
        return original(self, target)

    patch.setattr(Path, "replace", replaced)


def nowhere(patch: pytest.MonkeyPatch) -> None:
    """Never kill it."""


def in_a_process(job: Job, prepare: Callable[[pytest.MonkeyPatch], None]) -> int:
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        prepare(pytest.MonkeyPatch())
        run(job, stream=three_tasks())
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    three_tasks()
    for place in PLACES:
        job = replace(job_on_three("mas", Path(place)), **TRACKED)
        codes = [in_a_process(job, globals()[where]) for where in (place, "nowhere")]
        print("exit", *codes, flush=True)
