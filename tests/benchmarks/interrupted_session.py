"""A command that is left alone, one that Ctrl-C stops in the middle of its runs, and the same again.

`python interrupted_session.py FOLDER [ENGINE OPTION...]`: the options are for the one that is
stopped. The last line is the list of the three exit statuses.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import benchmarks.engines.jobs
import benchmarks.run.data
from benchmarks.__main__ import main
from benchmarks.engines.machine import PRIVATE, environment
from benchmarks.run.runner import run
from tests.benchmarks import conftest, light_jobs
from tests.benchmarks.conftest import NAMES, make_stream
from tests.benchmarks.light_jobs import wait_for

METHODS = ("fine-tuning", "mas")


def interrupted(folder: Path, command: int) -> Callable[..., None]:
    """Return a work that stops the command, once, when both runs have learned their first task."""

    def do(job: Any, say: Callable[[str], None], show: Callable[[float], None]) -> None:
        def said(line: str) -> None:
            say(line)
            if (folder / "stop").exists() and "mean" in line:
                if "ray" in sys.modules:
                    address = sys.modules["ray"].util.get_node_ip_address()
                    (folder / "address").write_text(address)
                (folder / job.settings.method).touch()
                wait_for(*(folder / method for method in METHODS))
                if job.settings.method == "mas":
                    os.killpg(os.getpgid(command), signal.SIGINT)  # as a terminal does
                while True:  # Ray's interruption does not end a sleep
                    time.sleep(0.1)

        run(job, said, show, make_stream())

    return do


def session(folder: Path, engine: list[str]) -> list[int]:
    stream = make_stream()
    benchmarks.run.data.load_stream = lambda *_: stream
    benchmarks.engines.jobs.do = interrupted(folder, os.getpid())

    def command(output: str, *options: str) -> int:
        small = ("--tasks", *NAMES, "--epochs", "2", "--batch-size", "8", "--wandb", "disabled")
        place = ("--output", str(folder / output), "--jobs", "2", "--threads", "1")
        return main(["run", "two-tasks", *small, "--methods", *METHODS, *place, *options])

    statuses = [command("whole")]
    (folder / "stop").touch()
    statuses.append(command("stopped", *engine))
    (folder / "stop").unlink()
    return [*statuses, command("stopped")]


def send_tests_along() -> None:
    """Let Ray's processes have what they cannot import."""
    with environment(PRIVATE):  # as the command imports it
        import ray

    for module in (conftest, light_jobs):
        ray.cloudpickle.register_pickle_by_value(module)


if __name__ == "__main__":
    # what a shell starts in the background ignores Ctrl-C, and so do its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "ray" in sys.argv:
        send_tests_along()
    print(json.dumps(session(Path(sys.argv[1]), sys.argv[2:])))
