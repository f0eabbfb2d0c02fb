"""The paper's sequences of two tasks (Table 3): what is left of the first after the second."""

from __future__ import annotations

from typing import Any

from benchmarks.experiments.experiment import Experiment
from benchmarks.experiments.sequences import TaskNames, ordered_pairs

NAME = "two-tasks"

PAPERS: tuple[TaskNames, ...] = (
    ("birds", "scenes"),
    ("scenes", "birds"),
    ("flowers", "birds"),
    ("flowers", "scenes"),
)


def _arrange(tasks: TaskNames | None, pairs: Any) -> tuple[TaskNames, ...]:
    named = PAPERS if tasks is None else (tasks,)
    every = ordered_pairs(named)
    if pairs is None and len(named[0]) > 2:
        raise ValueError(
            f"{NAME} needs 2 tasks, got {len(named[0])} ({' '.join(named[0])}); add --pairs for "
            f"all {len(every)} ordered pairs of them"
        )
    return named if pairs is None else every


EXPERIMENT = Experiment(
    name=NAME,
    source="Aljundi et al. 2018, Table 3, sequences of two tasks",
    sequences=PAPERS,
    length=2,
    option="pairs",
    arrange=_arrange,
    strength_of="eight-tasks",
    title="Two tasks",
    page="pairs",
    together="all",
)
