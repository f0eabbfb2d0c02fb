"""Avalanche's Learning without Forgetting, with its teacher in eval mode."""

from __future__ import annotations

from typing import Any

from avalanche.training.plugins import LwFPlugin


class RepairedLwFPlugin(LwFPlugin):
    """Learning without Forgetting whose teacher answers as the network did after the last task.

    The built-in plugin leaves its copy of the network in train mode: the teacher's dropout is
    active, and its batch normalisation uses the new task's batches instead of its statistics. Its
    answers are then not those that the paper records before training. Here the copy is in eval
    mode; all else is the built-in plugin.
    """

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Keep a copy of the network, in eval mode, as the next task's teacher."""
        super().after_training_exp(strategy, **kwargs)
        self.lwf.prev_model.eval()
