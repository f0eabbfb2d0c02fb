"""Avalanche's Synaptic Intelligence, made to work on a CPU."""

from __future__ import annotations

from typing import Any

from avalanche.training.plugins import SynapticIntelligencePlugin


class RepairedSynapticIntelligencePlugin(SynapticIntelligencePlugin):
    """Synaptic Intelligence whose weights before a step stay what they were before the step.

    The built-in plugin keeps `param.detach().cpu().flatten()`. On a GPU that is a copy. On a CPU it
    is a view of the parameter itself, so old and new weights are always equal, every step has
    length zero, and so has every importance. Here each extracted tensor is copied; all else is the
    built-in plugin.
    """

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Start a task from a copy of the weights, the anchor of the penalty."""
        super().before_training_exp(strategy, **kwargs)
        _copy(self.ewc_data[0])

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Keep a copy of the weights before the step."""
        super().before_training_iteration(strategy, **kwargs)
        _copy(self.syn_data["old_theta"])


def _copy(tensors: Any) -> None:
    for held in tensors.values():
        held.data = held.data.clone()
