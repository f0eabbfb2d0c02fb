"""Avalanche's Elastic Weight Consolidation, with the Fisher information of single samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from avalanche.training.plugins import EWCPlugin
from avalanche.training.utils import ParamData
from torch import Tensor, nn

from avalanche_mas.importance import fisher_information
from avalanche_mas.plugins import (
    TaskOutput,
    batches_of,
    names_left_out,
    task_labels_in,
    task_labels_of,
)
from benchmarks.methods._damped import Pull, add_damped


class RepairedEWCPlugin(EWCPlugin):
    """Elastic Weight Consolidation whose importance is the mean of squared per-sample gradients.

    The built-in plugin squares the mean gradient of each batch: the gradients of different samples
    cancel, and the result is smaller by about the batch size. It measures on augmented images,
    counts a short last batch as much as a full one, and includes the heads of other tasks, which
    lets weight decay shrink them. Here the importance is `fisher_information` with the labels of
    the data (the empirical Fisher, as in the built-in plugin) under eval transforms, without the
    heads of other tasks. All else is the built-in plugin: eval mode, the penalty
    λ Σ_t Σ F_t (θ − θ*_t)² without the paper's ½, and one F_t and θ*_t for each earlier task, as in
    the paper.

    Args:
        ewc_lambda: The strength λ.
        damped: Whether the penalty is applied in damped steps instead of in the loss.
    """

    def __init__(self, ewc_lambda: float, damped: bool = False) -> None:
        super().__init__(ewc_lambda, mode="separate")
        self.damped = damped
        self._left_out: frozenset[str] = frozenset()

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Leave the heads of other tasks out of the penalty."""
        self._left_out = names_left_out(strategy.model, (), task_labels_of(strategy.experience))

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add the penalty to the loss, unless it is damped."""
        if not self.damped:
            for _name, _parameter, importance, change in self._terms(strategy.model):
                strategy.loss += self.ewc_lambda * (importance * change.square()).sum()

    def before_update(self, strategy: Any, **_: Any) -> None:
        """Add the gradient of the penalty of all tasks, if it is damped."""
        if not self.damped:
            return
        pulls: dict[str, Pull] = {}
        for name, p, importance, change in self._terms(strategy.model):
            h = 2 * self.ewc_lambda * importance
            gradient, curvature = h * change.detach(), h
            if name in pulls:
                gradient, curvature = gradient + pulls[name].gradient, h + pulls[name].curvature
            pulls[name] = Pull(name, p, gradient, curvature)
        add_damped(strategy, pulls.values())

    def _terms(self, model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Tensor, Tensor]]:
        """Yield name, θ, F_t and θ − θ*_t of each parameter that is held, for each earlier task t."""
        for task, importances in self.importances.items():
            for name, parameter in model.named_parameters():
                if name in importances and name not in self._left_out:
                    anchor = self.saved_params[task][name].expand(parameter.shape)
                    yield (
                        name,
                        parameter,
                        importances[name].expand(parameter.shape),
                        parameter - anchor,
                    )

    def after_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        """Measure the task's importance; keep the weights that have one."""
        super().after_training_exp(strategy, **kwargs)
        task = strategy.clock.train_exp_counter
        kept = self.importances[task]
        self.saved_params[task] = {name: self.saved_params[task][name] for name in kept}

    def compute_importances(
        self,
        model: nn.Module,
        criterion: Any,  # noqa: ARG002 - the signature is the built-in plugin's
        optimizer: Any,  # noqa: ARG002
        dataset: Any,
        device: Any,
        batch_size: int,
        num_workers: int = 0,
    ) -> dict[str, ParamData]:
        """Return the Fisher information, by name, of all that this task can train."""
        labels = task_labels_in(dataset)
        left_out = names_left_out(model, (), labels)
        trainable = [name for name, p in model.named_parameters() if p.requires_grad]
        measured = fisher_information(
            model,
            batches_of(dataset, batch_size, num_workers),
            labels="data",
            forward=TaskOutput(dataset, device, labels),
            parameters=[name for name in trainable if name not in left_out],
        )
        return {
            name: ParamData(name, init_tensor=value, device=value.device)
            for name, value in measured.items()
        }
