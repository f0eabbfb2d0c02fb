"""Loaders with workers, and signals to all processes of a run."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
from avalanche.training.plugins import SupervisedPlugin

from avalanche_mas.checkpoint import Checkpoints
from tests.checkpoint.test_checkpoints import strategy_with
from tests.plugins.cases import task_incremental
from tests.processes import run_python

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="signals of POSIX"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Signalling(SupervisedPlugin):
    """Sends a signal to the workers, once in training and once in evaluation."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.told = number, list[int]()

    def _tell(self) -> None:
        workers = active_children()
        for worker in workers:
            os.kill(worker.pid or 0, self.number)
        time.sleep(0.3)  # they would end now
        self.told.append(len(workers))

    def before_forward(self, *_: Any, **__: Any) -> None:
        if not self.told:
            self._tell()

    def before_eval_forward(self, *_: Any, **__: Any) -> None:
        if len(self.told) == 1:
            self._tell()


@pytest.mark.parametrize("name", ["SIGINT", "SIGUSR1", "SIGTERM"])
def test_workers_leave_signals_to_the_process_that_trains(name: str, tmp_path: Path) -> None:
    benchmark = task_incremental(1, parts=("train", "test"))
    signalling = Signalling(getattr(signal, name))
    checkpoints = Checkpoints(tmp_path, skip=[signalling])
    strategy = strategy_with(signalling, checkpoints)
    strategy.train_mb_size = strategy.eval_mb_size = 2
    for experience in checkpoints.remaining(strategy, benchmark.train_stream):
        strategy.train(experience, num_workers=1)
        strategy.eval(benchmark.test_stream, num_workers=1)
    assert signalling.told == [1, 1]


def test_an_error_ends_a_process_with_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.checkpoint.test_workers import *\n"
        "class Failing(SupervisedPlugin):\n"
        "    def before_update(self, *_, **__): raise ZeroDivisionError\n"
        "checkpoints = Checkpoints('kept')\n"
        "strategy = strategy_with(Failing(), checkpoints)\n"
        "strategy.train_mb_size = 2\n"
        "for each in checkpoints.remaining(strategy, task_incremental(1).train_stream):\n"
        "    strategy.train(each, num_workers=1)\n"
    )
    done = run_python(str(script), cwd=tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
