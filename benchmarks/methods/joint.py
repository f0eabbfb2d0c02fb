"""Joint training on the data of all tasks at once: the upper bound.

The budget is the sequence's: every training image is seen `epochs` times, in batches of the same
size drawn from all tasks, under one learning rate cycle. It takes as many steps as the sequence (at
most one fewer per task and epoch, as only one batch an epoch is ragged). Another number of epochs
for the first task (split-mnist) does not apply to it.
"""

from __future__ import annotations

from functools import partial
from pkgutil import resolve_name

from benchmarks.methods.method import Look, Method

METHOD = Method(
    name="joint",
    title="Joint training",
    source="The upper bound of the comparison: Avalanche's JointTraining, with shuffled batches.",
    make_plugins=lambda _: [],
    strategy=partial(resolve_name, "benchmarks.methods._joint_training:ShuffledJointTraining"),
    joint=True,
    look=Look("#000000", "", dashed=True),
)
