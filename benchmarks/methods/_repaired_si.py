"""Avalanche's Synaptic Intelligence, working on a CPU and as the paper defines it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from avalanche.training.plugins import SynapticIntelligencePlugin
from torch import Tensor, nn

from avalanche_mas.plugins import names_left_out, task_labels_of
from benchmarks.methods._damped import Pull, add_damped

_WORKING = ("old_theta", "grad", "trajectory", "cum_trajectory")
"""What the built-in plugin needs only while it trains a task."""


class RepairedSynapticIntelligencePlugin(SynapticIntelligencePlugin):
    """Synaptic Intelligence as in the paper and its authors' code, on top of the built-in plugin.

    The penalty is (λ/2) Σ Ω (θ − θ*)², the paper's c being λ/2, and after each task
    Ω ← max(0, Ω + Σ_steps (−∂L/∂θ · Δθ) / ((θ − θ*)² + ξ)). The built-in plugin differs in five ways:

    - It keeps `param.detach().cpu().flatten()`: a copy on a GPU, but on a CPU a view of the
      parameter, so old and new weights are always equal, and every step and importance is zero.
      Here each is copied.
    - Its ∂L/∂θ includes the penalty's gradient and is taken after clipping. Here it is that of the
      task's loss alone; the penalty adds its gradient to the parameters' instead of to the loss.
    - Its Ω is capped at 0.001 (a constant of Maltoni and Lomonaco 2018, arXiv 1806.08568).
    - Its Ω may be negative, which drives weights away from where they were.
    - It includes the heads of other tasks: their gradients become zero instead of none, which lets
      weight decay shrink them.

    As in the built-in plugin, the parameters of batch normalisation are not held, and its tensors
    stay in main memory wherever the network is. With early stopping, the path covers all epochs,
    and the displacement leads to the weights that are kept.

    Args:
        si_lambda: The strength λ.
        eps: The damping ξ; 10⁻³ in the authors' experiments with one head per task.
        damped: Whether the penalty is applied in damped steps, after clipping.
    """

    def __init__(self, si_lambda: float, eps: float = 1e-3, damped: bool = False) -> None:
        super().__init__(si_lambda, eps)
        self.damped = damped
        self._gradients: dict[str, Tensor] = {}

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Start a task from a copy of the weights, the anchor of the penalty."""
        labels = task_labels_of(strategy.experience)
        self.excluded_parameters = set(names_left_out(strategy.model, (), labels))
        for part in _WORKING:
            for name, held in self.syn_data[part].items():
                held.reset_like(self.ewc_data[0][name].shape)
        for name, importance in self.ewc_data[1].items():
            self.syn_data["cum_trajectory"][name].data = -importance.data
        super().before_training_exp(strategy, **kwargs)
        _copy(self.ewc_data[0])

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Keep a copy of the weights before the step."""
        super().before_training_iteration(strategy, **kwargs)
        _copy(self.syn_data["old_theta"])

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Leave the loss as it is."""

    @torch.no_grad()
    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Keep the gradient of the task's loss, then add that of the penalty, unless it is damped."""
        for name, p in self._held(strategy.model):
            if p.grad is None:
                p.grad = torch.zeros_like(p)
            # not finite if float16 skips the step, which then moves nothing
            self._gradients[name] = p.grad.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        if not self.damped:
            for _name, p, gradient, _curvature in self._pulls(strategy.model):
                p.grad.add_(gradient)  # type: ignore[union-attr]

    def before_update(self, strategy: Any, **_: Any) -> None:
        """Add the penalty's gradient, if it is damped."""
        if self.damped:
            add_damped(strategy, self._pulls(strategy.model))

    @torch.no_grad()
    def _pulls(self, model: nn.Module) -> Iterator[Pull]:
        anchors, importances = self.ewc_data
        for name, p in self._held(model):
            change = p - anchors[name].data.view_as(p).to(p.device)
            curvature = self.si_lambda[0] * importances[name].data.view_as(p).to(p.device)
            yield Pull(name, p, curvature * change, curvature)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Add the step's share of the decrease of the task's loss."""
        for name, p in self._held(strategy.model):
            p.grad = self._gradients[name]
        super().after_training_iteration(strategy, **kwargs)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Add the task's importance, and drop what the next task does not need."""
        self.update_ewc_data(
            strategy.model,
            self.ewc_data,
            self.syn_data,
            math.inf,
            self.excluded_parameters,
            1,
            eps=self.eps,
        )
        for name, importance in self.ewc_data[1].items():
            importance.data.clamp_(min=0)
            self.syn_data["new_theta"][name].data = self.ewc_data[0][name].data
            for part in _WORKING:
                self.syn_data[part][name].reset_like(torch.Size([0]))
        self._gradients.clear()

    def _held(self, model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield what `allowed_parameters` does, which is slow on deep networks."""
        for name, p in model.named_parameters():
            if name in self.ewc_data[0] and name not in self.excluded_parameters:
                yield name, p


def _copy(tensors: Any) -> None:
    for held in tensors.values():
        held.data = held.data.clone()
