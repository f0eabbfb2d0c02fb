"""One run: (experiment, method, seed) → a run folder, in one session or several.

Checkpoints are written into the folder. An interrupted run resumes from the newest, in the middle of a
task, and ends with the same numbers.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from avalanche_mas.checkpoint import Checkpoints
from avalanche_mas.metrics import summary_row
from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.files import or_null, write_json
from benchmarks.record.folders import continue_folder, start_folder
from benchmarks.record.schema import CHECKPOINTS, DECISIONS, RESULT, Result
from benchmarks.run.checkpoint import id_to_go_on, identity, new_id
from benchmarks.run.data import stream_of
from benchmarks.run.job import Job
from benchmarks.run.learner import Learner, Part
from benchmarks.run.loggers import TerminalLogger
from benchmarks.run.memory import by_part, peak_memory_mb
from benchmarks.run.omega import check_omega, record_omega, save_omega
from benchmarks.run.tracking import Tracking, final_values
from benchmarks.run.training.strategy import seed_everything
from benchmarks.run.trials import decide, use_decision


def run(
    job: Job,
    say: Callable[[str], None] = print,
    show: Callable[[float], None] = lambda _: None,
    stream: TaskBenchmark | None = None,
) -> Result:
    """Train and evaluate, fill the run folder, and return what `result.json` holds.

    The run resumes from its checkpoints if there are some; otherwise its folder is emptied
    first. The data are those of the job, unless a stream is given.

    Raises:
        ValueError: No checkpoint can be read.
        SystemExit: A signal asked the process to end, and what was learned is saved.
    """
    with ExitStack() as loggers:
        one = RunSession(
            job, stream or stream_of(job.settings, job.root, job.cache), say, show, loggers
        )
        one.learn()
        one.finish()
        result = one.result()
    write_json(job.folder / RESULT, result)
    shutil.rmtree(job.folder / CHECKPOINTS, ignore_errors=True)
    return result


class RunSession:
    """A run in its folder, with the arguments of `run`; `loggers` closes these at the end.

    Within a task, it is saved every `every_minutes`.
    """

    def __init__(
        self,
        job: Job,
        stream: TaskBenchmark,
        say: Callable[[str], None],
        show: Callable[[float], None],
        loggers: ExitStack,
        every_minutes: float = 10.0,
    ) -> None:
        self.begin = time.perf_counter()
        self.job, self.stream, self.say = job, stream, say
        self.before = {"seconds": 0.0, "peak_memory_mb": 0.0}
        run = identity(job.settings, stream)
        known = id_to_go_on(job.folder, run, say)
        if known is None:
            start_folder(job.folder, job.settings, job.threads)
        seed_everything(job.settings.seed)
        self.checkpoints = Checkpoints(
            job.folder / CHECKPOINTS,
            every_minutes=every_minutes,
            also={"run": self},
            say=say,
        )
        self.learner = Learner(
            job.settings,
            job.weights,
            stream,
            job.tracked,
            observers=[self.checkpoints],
            workers=job.workers,
        )
        self.checkpoints.by_attributes = tuple(self.learner.strategy.plugins)
        params = (
            {"id": new_id(job.folder, run)} if known is None else {"id": known, "resume": "allow"}
        )
        self.tracking = Tracking(job, params, loggers)
        terminal = TerminalLogger(job.settings.tasks, self.learner.steps, say, show)
        self.learner.log_to([*self.tracking.loggers, terminal])

    def learn(self) -> None:
        """Train on the parts that are left, and save checkpoints meanwhile."""
        learner, checkpoints = self.learner, self.checkpoints
        trainings = [part.experience for part in learner.parts]
        if checkpoints.restore(learner.strategy, trainings) is not None:
            if learner.omega_plugins:
                check_omega(self.job.folder, len(learner.training))
            job = self.job
            continue_folder(job.folder, job.settings, job.threads, len(learner.training))
        with closing(checkpoints.remaining(learner.strategy, trainings)) as left:
            for _ in left:
                part = learner.parts[len(learner.training)]
                if self.job.settings.choose is not None:
                    self._choose(part)
                learner.learn(part)
                for plugin in learner.omega_plugins:
                    record_omega(self.job.folder, part.number, plugin)

    def _choose(self, part: Part) -> None:
        """Choose rate and strength for a part, unless that was done before an interruption."""
        if len(self.learner.decisions) == part.number:
            decide(self.learner, part, self._fresh, self.say)
            self.checkpoints.save()
        write_json(self.job.folder / DECISIONS, self.learner.decisions)
        use_decision(self.learner)

    def _fresh(self) -> Learner:
        """Return a learner at the last checkpoint, to be evaluated on validation data."""
        settings = replace(self.job.settings, evaluated_on="valid")
        learner = Learner(settings, self.job.weights, self.stream, workers=self.job.workers)
        skip = [learner.strategy.evaluator]
        checkpoints = Checkpoints(self.job.folder / CHECKPOINTS, skip=skip, say=lambda _: None)
        checkpoints.restore(learner.strategy, [part.experience for part in learner.parts])
        return learner

    def finish(self) -> None:
        """Log final values and files if the run is tracked."""
        if self.job.tracked:
            matrix, plugins = self.learner.matrix, self.learner.omega_plugins
            step = self.learner.strategy.clock.train_iterations
            self.tracking.log(final_values(matrix, plugins), step)
            self.tracking.summarise(summary_row(matrix.matrix, self.job.settings.tasks))
            files = {"checkpoint": self.checkpoints.files[-1]}
            for plugin in plugins:
                files["omega"] = save_omega(self.job.folder, plugin)
            self.tracking.keep_files(files)

    def state_dict(self) -> dict[str, Any]:
        """Return the part of the run's state that the strategy does not hold."""
        learner = self.learner
        return {
            "so far": self._so_far(),
            "learner": learner.state_dict(),
            "study": learner.study.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a `state_dict`."""
        self.before = state["so far"]
        self.learner.load_state_dict(state["learner"])
        self.learner.study.load_state_dict(state["study"])

    def _so_far(self) -> dict[str, float]:
        """Return the seconds so far, without time lost to interruptions, and the peak memory."""
        return {
            "seconds": self.before["seconds"] + time.perf_counter() - self.begin,
            "peak_memory_mb": max(self.before["peak_memory_mb"], peak_memory_mb()),
        }

    def result(self) -> Result:
        """Return what `result.json` will hold."""
        learner, so_far = self.learner, self._so_far()
        result: Result = {
            "accuracy": [[or_null(v) for v in row] for row in learner.matrix.matrix.tolist()],
            "tasks": list(self.job.settings.tasks),
            "classes": [len(names) for names in self.stream.class_names],
            "stand_ins": list(self.stream.stand_ins),
            "data": [
                {"split": t.split, "agreement": t.agreement, "left_out": dict(t.left_out)}
                for t in self.stream.tasks
            ],
            "seconds": learner.seconds(so_far["seconds"]),
            "peak_memory_mb": so_far["peak_memory_mb"],
            "stored_mb": learner.memory[-1]["stored"],
            "memory_mb": by_part(learner.memory),
            "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        if (clipped := learner.clipped) is not None:
            result["clipped"] = clipped
        if learner.decisions:
            result["decisions"] = learner.decisions
        return {**result, **learner.study.result()}
