"""Your own stream of tasks, made by a function that `--stream` names; see docs/your-own.md."""

from __future__ import annotations

from typing import Any

from benchmarks.experiments.experiment import Experiment
from benchmarks.experiments.sequences import TaskNames

NAME = "own"


def _arrange(tasks: TaskNames | None, stream: Any) -> tuple[TaskNames, ...]:
    """Return one sequence without names, which are known when the stream is made."""
    if tasks is not None:
        raise ValueError(
            f"--tasks {' '.join(tasks)}: {NAME} learns the tasks of --stream, in their order; leave "
            "it out"
        )
    if stream is None:
        raise ValueError(
            f"{NAME} needs a stream: add --stream package.module:name, a function that makes it"
        )
    return ((),)


EXPERIMENT = Experiment(
    name=NAME,
    source="Your own stream of tasks, given with --stream",
    sequences=((),),
    known=(),
    length=0,
    option="stream",
    arrange=_arrange,
    data_options=(),
    title="Own stream",
)
