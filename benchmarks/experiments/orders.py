"""The same tasks in other orders: does what a method retains depend on the order?

The strengths are those of `eight-tasks`, tuned on the given order.
"""

from __future__ import annotations

from typing import Any

from benchmarks.experiments.experiment import Experiment
from benchmarks.experiments.sequences import EIGHT, TaskNames, orders

COUNT = 3
"""The default number of orders."""


def _arrange(tasks: TaskNames | None, count: Any) -> tuple[TaskNames, ...]:
    return orders(tasks or EIGHT, count or COUNT)


EXPERIMENT = Experiment(
    name="orders",
    source="The tasks of the eight-task sequence, or some of them, in several orders",
    sequences=orders(EIGHT, COUNT),
    option="orders",
    arrange=_arrange,
    strength_of="eight-tasks",
    title="Orders",
    page="orders",
    together="same tasks",
)
