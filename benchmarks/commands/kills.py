"""Runs that are killed at random moments, compared with runs that are not.

`python -m benchmarks.commands.kills` kills a run of the eight tasks and a user's script with SIGKILL, every
fourth time while a file is written, restarts each in a new process, and compares the end with that of an
undisturbed run, bit by bit: the tensors of the last checkpoint (parameters, optimizer, Ω, θ*, replay
buffer, random states) and every metric. It records the outcome in `benchmarks/results/kills.json`.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from avalanche.evaluation.metrics import accuracy_metrics, forgetting_metrics, loss_metrics
from avalanche.training import Naive
from avalanche.training.plugins import EvaluationPlugin, LRSchedulerPlugin, ReplayPlugin
from safetensors import safe_open
from torch import nn

from avalanche_mas import MASPlugin
from avalanche_mas.checkpoint import Checkpoints
from avalanche_mas.files import TEMPORARY
from avalanche_mas.logging import TableLogger
from avalanche_mas.streams import TaskBenchmark
from benchmarks.commands.options import Options
from benchmarks.commands.parser import Parser
from benchmarks.commands.plan import plan
from benchmarks.record.files import RESULTS, write_json
from benchmarks.record.folders import versions
from benchmarks.record.schema import CHECKPOINTS, METRICS
from benchmarks.run.data import stream_of, with_data
from benchmarks.run.job import Job
from benchmarks.run.runner import RunSession
from benchmarks.run.training.networks import network_for

RESULT = RESULTS / "kills.json"
SECONDS = 2.0
"""The time between checkpoints within a task here."""

ENDED = "ended"

MOMENTS = (
    (Naive, "train", "training"),
    (Naive, "eval", "evaluating"),
    (MASPlugin, "after_training_exp", "measuring importance"),
)
"""The methods that are told apart, and what each of them does."""


def main(arguments: Sequence[str]) -> int:
    """Kill, compare and record; return 1 if an end differs."""
    parser = Parser(prog="python -m benchmarks.commands.kills")
    parser.add_argument("--kills", type=int, default=30, help="of each (default: 30)")
    parser.add_argument("--epochs", type=int, default=2, help="on each task (default: 2)")
    parser.add_argument("--output", type=Path, default=RESULT, help="the file to write")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # before a process is forked
    (settings,) = plan(Options("eight-tasks", ("mas",), epochs=options.epochs))
    stream = stream_of(settings, None)
    job = Job(with_data(settings, stream), Path())
    cases: dict[str, Callable[[Path], None]] = {
        "eight drawn tasks, `run`": lambda folder: eight_tasks(folder, job, stream),
        "a script with replay and a scheduler": lambda folder: script(
            folder, stream, options.epochs
        ),
    }
    rows = []
    for name, learn in cases.items():
        print(f"  {name}", file=sys.stderr, flush=True)
        rows.append({"case": name, **killed(learn, options.kills, random.Random(0))})
    write_json(options.output, {"rows": rows, "seconds": SECONDS, "versions": versions(1)})
    print(options.output, *rows, sep="\n")
    return int(any(row["ends"] != row["identical"] for row in rows))


def eight_tasks(folder: Path, job: Job, stream: TaskBenchmark) -> None:
    """Learn the eight tasks as `python -m benchmarks run` does, up to the result."""
    here = Job(job.settings, folder)
    with ExitStack() as closing:
        RunSession(here, stream, _silent, _silent, closing, SECONDS / 60).learn()


def script(folder: Path, stream: TaskBenchmark, epochs: int) -> None:
    """Learn with plugins of Avalanche, as a user would."""
    torch.manual_seed(0)
    model = network_for("small-cnn", stream)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
    checkpoints = Checkpoints(folder / CHECKPOINTS, every_minutes=SECONDS / 60, say=_silent)
    table = TableLogger(folder / METRICS)
    strategy = Naive(
        model=model,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=32,
        train_epochs=epochs,
        eval_mb_size=256,
        evaluator=EvaluationPlugin(
            accuracy_metrics(minibatch=True, experience=True),
            loss_metrics(minibatch=True),
            forgetting_metrics(experience=True, stream=True),
            loggers=[table],
        ),
        plugins=[
            MASPlugin(lambda_reg=1.0),
            ReplayPlugin(mem_size=200),
            LRSchedulerPlugin(scheduler),
            checkpoints,
        ],
    )
    for experience in checkpoints.remaining(strategy, stream.train_stream):
        strategy.train(experience)
        strategy.eval(stream.test_stream[: experience.current_experience + 1])
    table.close()


def killed(
    learn: Callable[[Path], None], kills: int, random_numbers: random.Random
) -> dict[str, Any]:
    """Learn undisturbed once, then with so many kills at random moments, and compare the ends."""
    moments, lost = Counter[str](), 0.0
    ends: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as temporary:
        begin = time.monotonic()
        whole = Process(learn, Path(temporary) / "whole")
        whole.wait(None)
        seconds = time.monotonic() - begin
        while moments.total() < kills:
            folder = Path(temporary) / str(len(ends))
            while not (folder / ENDED).exists():
                left = kills - moments.total()
                process = Process(learn, folder)
                if not process.wait(random_numbers.uniform(0.1, seconds / 3) if left else None):
                    if left % 4 == 0:
                        process.wait_for_a_file()
                    if moment := process.kill():
                        moments[moment] += 1
                        lost = max(lost, since_saved(folder))
            ends.append(end_of(folder))
        identical = ends.count(end_of(whole.folder))
    return {
        "kills": dict(moments),
        "ends": len(ends),
        "identical": identical,
        "undisturbed_seconds": seconds,
        "most_seconds_repeated": lost,
    }


class Process:
    """A process that learns into a folder, and leaves a file there when it has ended by itself."""

    def __init__(self, learn: Callable[[Path], None], folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self._learn = folder, learn
        self._left = set(self._written())
        context = multiprocessing.get_context("fork")
        self._moment = context.Value("i", 0)
        self._process = context.Process(target=self._do)
        self._process.start()

    def _do(self) -> None:
        for number, (owner, name, _) in enumerate(MOMENTS):
            setattr(owner, name, self._noted(getattr(owner, name), number))
        self._learn(self.folder)
        (self.folder / ENDED).touch()

    def _noted(self, original: Callable[..., Any], number: int) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            before, self._moment.value = self._moment.value, number
            found = original(*arguments, **options)
            self._moment.value = before
            return found

        return call

    def wait(self, seconds: float | None) -> bool:
        """Wait for the end, and return whether it has come.

        Raises:
            RuntimeError: The process has failed.
        """
        self._process.join(seconds)
        if self._process.exitcode:
            raise RuntimeError(f"the run in {self.folder} failed; its traceback is above")
        return self._process.exitcode is not None

    def wait_for_a_file(self) -> None:
        """Wait until it writes a file, or has ended."""
        while self._process.is_alive() and not self._writes():
            time.sleep(0.0002)

    def _written(self) -> Iterator[Path]:
        return self.folder.glob(f"**/*{TEMPORARY}")

    def _writes(self) -> bool:
        return any(file not in self._left for file in self._written())

    def kill(self) -> str | None:
        """Kill it, and return what it was doing; `None` if it had ended by itself.

        Raises:
            RuntimeError: The process had failed.
        """
        self._process.kill()
        self._process.join()
        if self._process.exitcode == -signal.SIGKILL:
            return "writing a file" if self._writes() else MOMENTS[self._moment.value][2]
        self.wait(0)
        return None


def since_saved(folder: Path) -> float:
    """Return how long ago a run was saved, in seconds; 0 if it was not."""
    saved = [file.stat().st_mtime for file in (folder / CHECKPOINTS).glob("*.safetensors")]
    return time.time() - max(saved) if saved else 0.0


def end_of(folder: Path) -> dict[str, str]:
    """Return digests of the tensors of the last checkpoint, and of the metrics, by name."""
    file = max((folder / CHECKPOINTS).glob("*.safetensors"))
    found = {METRICS: hashlib.sha256((folder / METRICS).read_bytes()).hexdigest()}
    with safe_open(file, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118
            content = tensors.get_tensor(name).contiguous().view(-1).view(torch.uint8)
            found[name] = hashlib.sha256(content.numpy().tobytes()).hexdigest()
    return found


def _silent(_: object) -> None:
    pass


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    sys.exit(main(sys.argv[1:]))
