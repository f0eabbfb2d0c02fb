"""One run: (experiment, method, seed) → a run folder, in one session or several.

A checkpoint is written into the folder after each task. An interrupted run continues from it and
ends with the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone

from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.files import or_null, write_json
from benchmarks.record.folders import continue_folder, start_folder
from benchmarks.record.schema import CHECKPOINT, DECISIONS, RESULT, Result
from benchmarks.run.checkpoint import identity, read_checkpoint, restore, write_checkpoint
from benchmarks.run.data import stream_of
from benchmarks.run.job import Job
from benchmarks.run.learner import Learner
from benchmarks.run.loggers import TerminalLogger
from benchmarks.run.memory import by_part, peak_memory_mb
from benchmarks.run.omega import check_omega, record_omega, save_omega
from benchmarks.run.tracking import Tracking, final_values
from benchmarks.run.training.strategy import seed_everything
from benchmarks.run.trials import decide


def run(
    job: Job,
    say: Callable[[str], None] = print,
    show: Callable[[float], None] = lambda _: None,
    stream: TaskBenchmark | None = None,
) -> Result:
    """Train and evaluate, fill the run folder, and return what `result.json` holds.

    The run continues from its checkpoint if there is one; otherwise its folder is emptied
    first. The data are those of the job, unless a stream is given.

    Raises:
        ValueError: The checkpoint is damaged.
    """
    with ExitStack() as closing:
        one = RunSession(job, stream or stream_of(job.settings, job.root), say, show, closing)
        one.learn()
        one.finish()
        result = one.result()
    write_json(job.folder / RESULT, result)
    (job.folder / CHECKPOINT).unlink(missing_ok=True)  # unless the same command has done it
    return result


class RunSession:
    """A run in its folder, with the arguments of `run`; `closing` closes the loggers at the end."""

    def __init__(
        self,
        job: Job,
        stream: TaskBenchmark,
        say: Callable[[str], None],
        show: Callable[[float], None],
        closing: ExitStack,
    ) -> None:
        self.begin = time.perf_counter()
        self.job, self.stream, self.say = job, stream, say
        self.identity = identity(job.settings, stream)
        kept = read_checkpoint(job.folder, self.identity, say) or {}
        if not kept.get("trained"):
            kept = {}
            start_folder(job.folder, job.settings, job.threads)
        seed_everything(job.settings.seed)
        self.learner = Learner(job.settings, job.weights, stream, full=job.tracked)
        self.before: dict[str, float] = kept.get("before", {"seconds": 0.0, "peak_memory_mb": 0.0})
        self.tracking = Tracking(job, kept.get("tracking", {}), closing)
        terminal = TerminalLogger(job.settings.tasks, self.learner.steps, say, show)
        self.learner.log_to([*self.tracking.loggers, terminal])
        if kept:
            self.learner.load(kept["learner"])
            check_omega(job.folder, kept["trained"], self.learner.plugins)
            continue_folder(job.folder, job.threads, kept["trained"])
            say(f"continues after {kept['trained']} of {len(self.learner.parts)} tasks")
        else:
            self._keep()  # refuses before training what cannot be pickled

    def learn(self) -> None:
        """Train on the parts left, and write a checkpoint after each."""
        for part in self.learner.parts[len(self.learner.training) :]:
            if self.job.settings.choose is not None:
                decide(self.learner, part, self._fresh, self.say)
                write_json(self.job.folder / DECISIONS, self.learner.decisions)
            self.learner.learn(part)
            record_omega(self.job.folder, part.number, self.learner.plugins)
            self._keep()

    def finish(self) -> None:
        """Log final values and files if the run is tracked."""
        if self.job.tracked:
            matrix, plugins = self.learner.matrix, self.learner.omega_plugins
            step = self.learner.strategy.clock.train_iterations
            self.tracking.log(final_values(matrix, plugins), step)
            omega = [save_omega(self.job.folder, plugin) for plugin in plugins]
            self.tracking.keep_files([*omega, self.job.folder / CHECKPOINT])

    def _keep(self) -> None:
        state = {
            "trained": len(self.learner.training),
            "learner": self.learner.state(),
            "tracking": self.tracking.state(),
            "before": self._so_far(),
        }
        write_checkpoint(self.job.folder, self.identity, state)

    def _fresh(self) -> Learner:
        """Return a learner at the last checkpoint, to be evaluated on validation data."""
        kept = read_checkpoint(self.job.folder, self.identity, self.say)
        settings = replace(self.job.settings, evaluated_on="valid")
        learner = Learner(settings, self.job.weights, self.stream)
        restore(learner.strategy, kept["learner"]["strategy"])
        return learner

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
