"""Joint training: all tasks' data at once, the upper bound that no sequence may use.

The budget is that of the sequence: every training image is seen `epochs` times, in batches of the
same size, drawn from all tasks together, under one learning rate cycle. It takes as many steps as
the sequence does (at most one fewer per task and epoch, as only one batch an epoch is ragged); where
the sequence passes over its first task another number of times (split-mnist), joint training does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.methods.method import Look, Method

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate


def _strategy() -> type[SupervisedTemplate]:
    from benchmarks.methods._joint_training import ShuffledJointTraining

    return ShuffledJointTraining


METHOD = Method(
    name="joint",
    title="Joint training",
    source="The upper bound of the comparison: Avalanche's JointTraining, with shuffled batches.",
    make_plugins=lambda _: [],
    strategy=_strategy,
    joint=True,
    look=Look("#000000", "", dashed=True),
)
