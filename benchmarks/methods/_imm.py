"""Incremental Moment Matching as an Avalanche plugin."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from avalanche_mas.importance import fisher_information
from avalanche_mas.penalty import block
from avalanche_mas.plugins import (
    TaskOutput,
    batches_of,
    ends_task,
    names_left_out,
    starts_task,
    task_data,
    task_labels_of,
)
from benchmarks.methods._damped import Pull, add_damped

FLOOR = 1e-8
"""Added to the Fisher information, so that a weight no task is sensitive to gets the plain mean. The
authors' code (IMM_tensorflow) adds the same."""


class IMMPlugin(SupervisedPlugin):
    """Incremental Moment Matching with L2-transfer (Lee et al., NeurIPS 2017, arXiv 1703.08475).

    Each task's posterior is approximated by a Gaussian around its weights θ_k. The Gaussians of the
    K tasks so far are merged with equal shares α_k = 1/K:

    - "mean": θ = (1/K) Σ_k θ_k.
    - "mode": θ = Σ_k F_k θ_k / Σ_k F_k entry by entry, F_k the diagonal Fisher information on task
      k's training data, plus 1e-8. It is the mean over the samples of squared per-sample gradients
      of log p(ỹ | x), each ỹ drawn from the network's own p(· | x), as in the paper; the labels of
      the data would give the empirical one. The authors' code draws labels too, but squares the
      gradients of batch means.

    Training starts from the previous task's own weights, not the merged ones (weight transfer), and
    adds the penalty λ Σ (θ − θ_{k−1})² to the loss: squared norm, no ½ (L2-transfer). The paper's
    third aid, drop-transfer, is left out.

    Each parameter is merged over the tasks that trained it: shared parameters and a shared head
    over all tasks, the head of a single task not at all. The running statistics of batch norm have
    no gradient and so no Fisher information; they get the plain mean in both variants. The penalty
    holds what earlier tasks have trained, except the heads of other tasks.

    The model has the merged weights only during `strategy.eval`. Afterwards, or at the strategy's
    next call if evaluation was interrupted, the task's own weights are restored. Evaluation during
    training, and after its last epoch, sees the network as it is then. To keep the merged weights,
    call `model.load_state_dict(plugin.merged, strict=False)`.

    Memory does not grow with the tasks: θ_{k−1}, and Σ θ_k or, for "mode", Σ F_k θ_k and Σ F_k;
    during evaluation also the task's own weights. A task is a training experience, or all pieces of
    one in an online stream whose boundaries are accessible.

    Args:
        merge: "mean" or "mode".
        lambda_reg: The strength λ of the L2-transfer, finite and not negative.
        damped: Whether the L2-transfer is applied in damped steps instead of in the loss.

    Raises:
        ValueError: `merge` is not known, or λ is out of its range.
    """

    def __init__(
        self,
        merge: Literal["mean", "mode"] = "mean",
        lambda_reg: float = 0.01,
        damped: bool = False,
    ) -> None:
        super().__init__()
        if merge not in ("mean", "mode"):
            raise ValueError(f"merge must be 'mean' or 'mode', got {merge!r}")
        if not (math.isfinite(lambda_reg) and lambda_reg >= 0):
            raise ValueError(f"lambda_reg must be finite and not negative, got {lambda_reg}")
        self.merge = merge
        self.lambda_reg = float(lambda_reg)
        self.damped = damped
        self._mean = TaskMean()
        self._anchors: dict[str, Tensor] = {}  # θ_{k−1}, as each was last trained
        self._held: list[str] = []  # the parameters that the penalty holds in the current task
        self._own: dict[str, Tensor] = {}  # the task's weights while the model has the merged ones
        self._pieces = 0  # of the current task begun so far; 0 between tasks
        self._tried = False

    @property
    def merged(self) -> dict[str, Tensor]:
        """The merged weights by name, without those that a single task has trained."""
        return self._mean.merged()

    def before_training(self, strategy: Any, **_: Any) -> None:
        """Restore the task's own weights after an interrupted evaluation."""
        self._put_back(strategy.model)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Begin or continue a task.

        Raises:
            ValueError: A parameter has changed its shape since an earlier task, or this network's
                Fisher information cannot be measured.
        """
        experience = strategy.experience
        trained = _trained(strategy.model, task_labels_of(experience))
        self._mean.check(trained)
        if self.merge == "mode" and not self._tried:
            self._fisher(strategy, trained, task_data(experience).subset([0]))
            self._tried = True
        self._held = [name for name in trained if name in self._anchors and self.lambda_reg]
        self._pieces = 1 if starts_task(experience) else self._pieces + 1

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add λ Σ (θ − θ_{k−1})² to the loss, unless it is damped."""
        if not self.damped:
            for _name, _parameter, change in self._changes(strategy.model):
                strategy.loss = strategy.loss + self.lambda_reg * change.square().sum()

    def before_update(self, strategy: Any, **_: Any) -> None:
        """Add its gradient, if it is damped."""
        if self.damped:
            h = 2 * self.lambda_reg
            changes = self._changes(strategy.model)
            add_damped(strategy, (Pull(name, p, h * d.detach(), h) for name, p, d in changes))

    def _changes(self, model: nn.Module) -> Iterator[tuple[str, nn.Parameter, Tensor]]:
        """Yield name, θ and θ − θ_{k−1} of each parameter that is held."""
        parameters = dict(model.named_parameters())
        for name in self._held:
            parameter = parameters[name]
            yield name, parameter, parameter - self._anchors[name].to(parameter.device)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Merge the weights with those of earlier tasks at the end of a task.

        Raises:
            ValueError: The weights or the network's outputs are not finite; the merged weights are
                then unchanged.
        """
        experience = strategy.experience
        if not ends_task(experience, self._pieces):
            return
        trained = _trained(strategy.model, task_labels_of(experience))
        statistics = _statistics(strategy.model)
        weights = dict.fromkeys([*trained, *statistics], torch.ones(()))
        if self.merge == "mode":
            fisher = self._fisher(strategy, trained, task_data(experience))
            weights |= {name: value + FLOOR for name, value in fisher.items()}
        self._mean.add({**trained, **statistics}, weights)
        self._anchors |= {name: value.detach().clone() for name, value in trained.items()}
        self._pieces = 0

    def before_eval(self, strategy: Any, **_: Any) -> None:
        """Give the model the merged weights unless a task is being trained."""
        self._put_back(strategy.model)
        if not self._pieces:
            self._own = _exchange(strategy.model, self.merged)

    def after_eval(self, strategy: Any, **_: Any) -> None:
        """Restore the task's own weights."""
        self._put_back(strategy.model)

    def _put_back(self, model: nn.Module) -> None:
        _exchange(model, self._own)
        self._own = {}

    def _fisher(self, strategy: Any, names: Collection[str], data: Any) -> Mapping[str, Tensor]:
        return fisher_information(
            strategy.model,
            batches_of(data, strategy.train_mb_size, num_workers=0),
            labels="drawn",
            forward=TaskOutput(data, strategy.device, task_labels_of(strategy.experience)),
            parameters=names,
        )


class TaskMean:
    """The mean Σ_k w_k θ_k / Σ_k w_k of named tensors, each over the tasks that added it."""

    def __init__(self) -> None:
        self._weighted: dict[str, Tensor] = {}  # Σ w θ
        self._weights: dict[str, Tensor] = {}  # Σ w
        self._tasks: dict[str, int] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the sums, and how many tasks are in them, by name."""
        return {"weighted": self._weighted, "weights": self._weights, "tasks": self._tasks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        self._weighted, self._weights, self._tasks = (
            dict(state[name]) for name in ("weighted", "weights", "tasks")
        )

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def check(self, tensors: Mapping[str, Tensor]) -> None:
        """Refuse tensors whose shape has changed.

        Raises:
            ValueError: A tensor has another shape than in an earlier task.
        """
        for name, tensor in tensors.items():
            if name in self and self._weighted[name].shape != tensor.shape:
                raise ValueError(
                    f"{name!r} has shape {tuple(tensor.shape)}, and in an earlier task it had "
                    f"{tuple(self._weighted[name].shape)}; only weights of one shape can be merged: "
                    "use a head that does not grow, or one head per task (MultiHeadClassifier)"
                )

    def add(self, tensors: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
        """Add a task's tensors; all or nothing.

        Args:
            tensors: θ_k by name.
            weights: w_k by name, positive, of the tensor's shape or a single number.

        Raises:
            ValueError: A tensor has another shape than before, or is not finite.
        """
        self.check(tensors)
        for name, tensor in tensors.items():
            if not torch.isfinite(tensor).all():
                raise ValueError(
                    f"{name!r} has NaN or infinite entries, which would spoil every later mean; "
                    "train with a lower learning rate"
                )
        for name, tensor in tensors.items():
            value = tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32))
            weight = weights[name].to(value)
            self._weighted[name] = weight * value + self._held(self._weighted, name, value)
            self._weights[name] = weight + self._held(self._weights, name, value)
            self._tasks[name] = self._tasks.get(name, 0) + 1

    def merged(self) -> dict[str, Tensor]:
        """Return the means of the tensors that more than one task added."""
        return {
            name: weighted / self._weights[name]
            for name, weighted in self._weighted.items()
            if self._tasks[name] > 1
        }

    @staticmethod
    def _held(sums: Mapping[str, Tensor], name: str, like: Tensor) -> Tensor | float:
        return sums[name].to(like) if name in sums else 0.0


def _trained(model: nn.Module, task_labels: Collection[int] | None) -> dict[str, nn.Parameter]:
    """Return what a task with these labels trains: no frozen parameters, no heads of other tasks."""
    left_out = names_left_out(model, (), task_labels)
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and name not in left_out
    }


def _statistics(model: nn.Module) -> dict[str, Tensor]:
    """Return the running means and variances of the normalisation layers by name."""
    return {
        f"{path}.{name}".lstrip("."): statistic
        for path, module in model.named_modules()
        if isinstance(module, _NormBase)
        for name, statistic in (
            ("running_mean", module.running_mean),
            ("running_var", module.running_var),
        )
        if statistic is not None
    }


@torch.no_grad()
def _exchange(model: nn.Module, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Write values into the model's tensors, or the leading blocks of those that have grown.

    Returns:
        Copies of the values they replace.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    places = {name: block(tensors[name], value.shape) for name, value in values.items()}
    before = {name: place.clone() for name, place in places.items()}
    for name, place in places.items():
        place.copy_(values[name])
    return before
