"""Permuted MNIST: ten digits under one permutation of the pixels after another, one head for all.

There are no task labels, and all tasks share the ten outputs, so MAS holds the head too. The
published values could not be read, so the report shows none.
"""

from __future__ import annotations

from functools import partial
from pkgutil import resolve_name
from typing import Any

from benchmarks.experiments.experiment import READING, Experiment
from benchmarks.experiments.sequences import TaskNames

COUNT = 10
"""The default number of permutations."""


def _arrange(tasks: TaskNames | None, count: Any) -> tuple[TaskNames, ...]:
    if tasks is not None:
        raise ValueError(
            f"--tasks {' '.join(tasks)}: permuted makes its own tasks, p1 to p{COUNT}; "
            "choose how many with --permutations N"
        )
    return (tuple(f"p{number}" for number in range(1, (count or COUNT) + 1)),)


EXPERIMENT = Experiment(
    name="permuted",
    source="Permuted MNIST, domain-incremental: one head for all permutations of the pixels",
    sequences=_arrange(None, None),
    known=(),
    option="permutations",
    arrange=_arrange,
    stream=partial(resolve_name, "benchmarks.experiments.digits:permuted_digits"),
    data_set="mnist",
    data_options=(*READING, "scenario"),
    scenario="domain",
    download=partial(resolve_name, "benchmarks.experiments.digits:fetch_mnist"),
    defaults={
        "drawn": {"model": "mlp", "epochs": 10, "batch_size": 32, "learning_rate": 0.05},
        "real": {"model": "mlp", "epochs": 10, "batch_size": 200, "learning_rate": 0.05},
    },
    title="Permuted",
)
