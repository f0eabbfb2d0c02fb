"""One run: (experiment, method, seed) → a run folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
from avalanche.training.plugins import EvaluationPlugin

from avalanche_mas.logging import WandBLogger
from avalanche_mas.metrics import AccuracyMatrix
from avalanche_mas.streams import TaskData, TaskStream
from benchmarks.experiments import EXPERIMENTS
from benchmarks.files import write_json
from benchmarks.folders import METRICS, RESULT, start_folder
from benchmarks.loggers import TableLogger, TerminalLogger
from benchmarks.memory import peak_memory_mb, stored_mb
from benchmarks.methods import METHODS
from benchmarks.networks import network_for
from benchmarks.settings import Settings
from benchmarks.strategy import make_strategy
from benchmarks.streams import stream_of
from benchmarks.training import TimeStamp, seed_everything


@dataclass(frozen=True)
class Job:
    """A run, and what it needs that does not decide its numbers.

    Attributes:
        settings: The configuration.
        folder: The run folder.
        root: The folder of the real data, `None` where the images are drawn.
        weights: The file with the initial weights, `None` for random ones.
        threads: Threads of the run.
        wandb: `"offline"`, `"online"` or `"disabled"`.
    """

    settings: Settings
    folder: Path
    root: Path | None = None
    weights: Path | None = None
    threads: int = 1
    wandb: str = "disabled"


def with_data(settings: Settings, stream: TaskStream) -> Settings:
    """Return the settings with what only the data can tell."""
    samples = {task.name: list(task.sizes) for task in stream.tasks}
    return replace(settings, samples=samples, stand_ins=tuple(stream.stand_ins))


def run(
    job: Job,
    say: Callable[[str], None] = print,
    show: Callable[[float], None] = lambda _: None,
    stream: TaskStream | None = None,
) -> dict[str, Any]:
    """Train and evaluate, fill the run folder, and return what `result.json` holds.

    Args:
        job: The run. Its folder is emptied first.
        say: Takes a line for each task learned.
        show: Takes the share of the training that is done.
        stream: The data, where they are not those that the job names.
    """
    begin = time.perf_counter()
    settings, stream = job.settings, stream or stream_of(job.settings, job.root)
    start_folder(job.folder, settings, job.threads)
    seed_everything(settings.seed)
    with ExitStack() as closing:
        learner = Learner(job, stream, say, show, closing)
        learner.learn()
    result = {
        "accuracy": [[_or_null(v) for v in row] for row in learner.matrix.matrix.tolist()],
        "tasks": list(settings.tasks),
        "classes": [len(names) for names in stream.class_names],
        "stand_ins": list(stream.stand_ins),
        "data": [_data_of(task) for task in stream.tasks],
        "seconds": {**learner.seconds(), "total": time.perf_counter() - begin},
        "peak_memory_mb": peak_memory_mb(),
        "stored_mb": stored_mb(learner.plugins, learner.strategy.model),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **learner.study.result(),
    }
    write_json(job.folder / RESULT, result)
    return result


def _data_of(task: TaskData) -> dict[str, Any]:
    """What was read for a task: which split, and how it compares with the complete data set."""
    return {"split": task.split, "agreement": task.agreement, "left_out": dict(task.left_out)}


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


class Learner:
    """A method at work on a stream: the strategy, what it logs, and how long everything took.

    Args:
        job: The run.
        stream: The data.
        say: Takes a line for each task learned.
        show: Takes the share of the training that is done.
        closing: Closes the loggers at the end.
    """

    def __init__(
        self,
        job: Job,
        stream: TaskStream,
        say: Callable[[str], None],
        show: Callable[[float], None],
        closing: ExitStack,
    ) -> None:
        settings = job.settings
        self.settings, self.method = settings, METHODS[settings.method]
        self.study = EXPERIMENTS[settings.experiment].study()(settings, stream)
        self.train_stream = self.study.stream.train_stream
        part = settings.evaluated_on
        self.eval_stream = self.study.stream.streams[part]
        self.matrix = AccuracyMatrix(part)
        self.plugins = self.study.method_plugins()
        self.before, self.after = TimeStamp(), TimeStamp()
        self.training: list[float] = []
        self.evaluation: list[float] = []
        loggers = [TableLogger(job.folder / METRICS)]
        closing.callback(loggers[0].close)
        if job.wandb != "disabled":
            loggers.append(closing.enter_context(_wandb(job)))
        loggers.append(TerminalLogger(settings.tasks, self._steps(), say, show))
        evaluator = EvaluationPlugin(
            accuracy_metrics(epoch=True, experience=True),
            loss_metrics(epoch=True, experience=True),
            self.matrix,
            loggers=loggers,
        )
        self.strategy = self._strategy(job.weights, evaluator)

    def _strategy(self, weights: Path | None, evaluator: EvaluationPlugin) -> Any:
        return make_strategy(
            self.settings,
            network_for(self.settings.model, self.study.stream, weights),
            self.method.strategy(),
            method_plugins=[self.before, *self.plugins, self.after],
            observers=self.study.observers(),
            evaluator=evaluator,
        )

    def _steps(self) -> int:
        """Return how many training steps the run takes, to show how far it is."""
        sizes = [len(experience.dataset) for experience in self.train_stream]
        parts = [sum(sizes)] if self.method.joint else sizes
        return sum(
            self._epochs(task) * math.ceil(size / self.settings.batch_size)
            for task, size in enumerate(parts)
        )

    def _epochs(self, task: int) -> int:
        """Return how often the task with this number is passed over; joint training is of all."""
        if task == 0 and not self.method.joint:
            return self.settings.first_epochs or self.settings.epochs
        return self.settings.epochs

    def learn(self) -> None:
        """Learn task after task, or all at once, and evaluate every task seen so far after each."""
        if self.method.joint:
            self._learn(0, self.train_stream, len(self.train_stream))
            return
        for task, experience in enumerate(self.train_stream):
            self._learn(task, experience, task + 1)

    def _learn(self, task: int, experience: Any, seen: int) -> None:
        seed_everything(self.settings.seed, task)
        self.strategy.train_epochs = self._epochs(task)
        begin = time.perf_counter()
        # the optimizer's state is dropped: every task starts with a fresh one
        self.strategy.train(experience, eval_streams=[], reset_optimizer_state=True)
        trained = time.perf_counter()
        # tasks to come are left out: evaluating one would make its head before it is trained
        self.strategy.eval(self.eval_stream[:seen])
        self.training.append(trained - begin)
        self.evaluation.append(time.perf_counter() - trained)

    def seconds(self) -> dict[str, list[float]]:
        """Return the seconds of training, of the method's work after it, and of evaluation."""
        work = [b - a for a, b in zip(self.before.times, self.after.times, strict=True)]
        return {
            "train": [all_ - own for all_, own in zip(self.training, work, strict=True)],
            "importance": work,
            "eval": self.evaluation,
        }


def _wandb(job: Job) -> WandBLogger:
    settings = job.settings
    return WandBLogger(
        project_name="avalanche-mas",
        run_name=settings.folder(Path()).as_posix(),
        config=settings.as_json(),
        dir=job.folder,
        save_code=False,
        params={"mode": job.wandb},
    )
