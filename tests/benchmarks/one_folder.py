"""Runs that meet in one folder: a script, with a scene for each way in which they can.

Each scene does runs in a folder of its name, and prints how many of them failed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import benchmarks.engines.jobs as engine
from benchmarks.engines.local import LocalEngine
from benchmarks.run.job import Job
from benchmarks.run.runner import run
from tests.benchmarks.run.test_resume import job_on_three, three_tasks

Say = Callable[[str], None]


def train(job: Job, say: Say, show: Any) -> None:  # noqa: ARG001
    """Do a run that tells its process, and leaves others time to meet it."""
    say(f"trains in process {os.getpid()}")
    time.sleep(1)
    run(job, say, stream=three_tasks())


def killed_once(job: Job, say: Say, show: Any) -> None:
    """Do a run whose process is killed, once, before the checkpoint of the second task."""

    def said(line: str) -> None:
        say(line)
        if "svhn" in line and not (job.folder.parent / "killed").exists():
            (job.folder.parent / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    run(job, said, show, three_tasks())


def one_waits(job: Job) -> list[Job]:
    engine.run = train
    return engine.run_all([job, job], LocalEngine(2, 1), 0, engine.do)


def one_is_refused(job: Job) -> list[Job]:
    engine.run, engine.PATIENCE = train, 0.0
    return engine.run_all([job, job], LocalEngine(2, 1), 0, engine.do)


def one_is_killed(job: Job) -> list[Job]:
    engine.run = killed_once
    return engine.run_all([job], LocalEngine(1, 1), 1, engine.do)


SCENES = (one_waits, one_is_refused, one_is_killed)

if __name__ == "__main__":
    torch.set_num_threads(1)
    three_tasks()
    for scene in SCENES:
        print("scene", scene.__name__, flush=True)
        failed = scene(job_on_three("mas", Path(scene.__name__) / "seed0"))
        print("failed", len(failed), flush=True)
