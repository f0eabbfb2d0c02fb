"""Avalanche's Learning without Forgetting, with a teacher that is not being trained."""

from __future__ import annotations

from typing import Any

from avalanche.training.plugins import LwFPlugin


class RepairedLwFPlugin(LwFPlugin):
    """Learning without Forgetting whose teacher answers as the network did after the last task.

    The built-in plugin copies the network in train mode and leaves it there: dropout is active in
    the teacher, and its batch normalisation uses the new task's batches instead of the statistics
    that it has learned. The responses that the paper records before training are thus replaced by
    random, or other, ones. Here the copy is put in eval mode; all else is the built-in plugin.
    """

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Keep a copy of the network, in eval mode, as the next task's teacher."""
        super().after_training_exp(strategy, **kwargs)
        self.lwf.prev_model.eval()
