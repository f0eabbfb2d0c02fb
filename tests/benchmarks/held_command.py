"""The command `run` on a tiny stream: a script.

`python held_command.py FOLDER`: while there is a file `hold` in the folder, the run stays where it is
when it has learned its second task, and its process is in the file `begun`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import benchmarks.engines.jobs
import benchmarks.run.data
from benchmarks.__main__ import main
from benchmarks.run.job import Job
from benchmarks.run.runner import run
from tests.benchmarks.conftest import NAMES, make_stream
from tests.benchmarks.light_jobs import PATIENCE


def held(folder: Path) -> Callable[..., None]:
    def do(job: Job, say: Callable[[str], None], show: Callable[[float], None]) -> None:
        def said(line: str) -> None:
            say(line)
            if "svhn" in line and (folder / "hold").exists():
                (folder / "begun.new").write_text(str(os.getpid()))
                (folder / "begun.new").replace(folder / "begun")
                time.sleep(PATIENCE)

        run(job, said, show)

    return do


if __name__ == "__main__":
    folder, stream = Path(sys.argv[1]), make_stream()
    benchmarks.run.data.load_stream = lambda *_: stream
    benchmarks.engines.jobs.run = held(folder)  # type: ignore[assignment]
    words = ("--tasks", *NAMES, "--epochs", "1", "--batch-size", "8", "--methods", "mas")
    sys.exit(main(["run", "two-tasks", *words, "--output", str(folder / "runs")]))
