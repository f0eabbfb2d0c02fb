"""The output that counts for a batch of Avalanche."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from avalanche.models import TrainEvalModel
from avalanche.models.utils import is_multi_task_module
from avalanche.training.templates import SupervisedTemplate
from avalanche.training.templates.problem_type import SupervisedProblem
from torch import Tensor, nn

from avalanche_mas.importance.gradients.rows import map_leaves
from avalanche_mas.importance.passes.batches import call_model
from avalanche_mas.plugins.tasks import Data, has_task_labels

Output: TypeAlias = Callable[[nn.Module, Any], Tensor]
"""From a model and what it is given, inputs or (inputs, task labels), to the output [B, D]."""


class TaskOutput:
    """The output that counts for a batch; a multi-task model is given task labels as well.

    The inputs are the first entry of a tuple or list, and else the batch itself. The labels are the
    last entry of the batch where the data has them, and else the one label of the current task. A
    mapping is given to the model as keyword arguments. Of a model with one classifier for training
    and another for evaluation (`TrainEvalModel`, as in iCaRL), the former counts.

    Args:
        data: where the batches come from.
        device: where the model is.
        task_labels: the labels of the current task, if it has any.
        forward: as for `MASPlugin`.
        pick: maps a batch to the inputs, if they are not as described above.
    """

    def __init__(
        self,
        data: Data,
        device: torch.device,
        task_labels: tuple[int, ...] | None,
        forward: Output | None = None,
        pick: Callable[[Any], Any] | None = None,
    ) -> None:
        self.labelled = has_task_labels(data)
        self.device = device
        self.task_labels = task_labels  # of the current task
        self.forward = forward
        self.pick = pick or _first

    def __call__(self, model: nn.Module, batch: Any) -> Tensor:
        """Return the output for one batch.

        Raises:
            ValueError: a multi-task model needs a label, and none is known.
        """
        inputs = batch if isinstance(batch, Tensor) else self.pick(batch)
        inputs = on_device(inputs, self.device)
        if not is_multi_task_module(model):
            return _called(model, inputs) if self.forward is None else self.forward(model, inputs)
        labels = self._labels(batch, inputs)
        if self.forward is None:
            return _called(model, inputs, task_labels=labels)
        if _is_old(self.forward):
            warnings.warn(
                "forward=(model, inputs, task labels) is now forward=(model, batch), where the "
                "batch is (inputs, task labels)",
                DeprecationWarning,
                stacklevel=2,
            )
            return self.forward(model, inputs, labels)  # type: ignore[call-arg]
        return self.forward(model, (inputs, labels))

    def _labels(self, batch: Any, inputs: Any) -> Tensor:
        if self.labelled:
            labels = batch["targets_task_labels"] if isinstance(batch, Mapping) else batch[-1]
            return on_device(labels, self.device)  # type: ignore[no-any-return]
        if self.task_labels is None or len(self.task_labels) != 1:
            raise ValueError(
                f"a multi-task model needs task labels; the data has none, and those of the "
                f"current task are {self.task_labels}; pass an AvalancheDataset with task labels"
            )
        values = inputs.values() if isinstance(inputs, Mapping) else [inputs]
        samples = next(len(value) for value in values if isinstance(value, Tensor) and value.dim())
        return torch.full((samples,), self.task_labels[0], device=self.device)


def _is_old(forward: Callable[..., Any]) -> bool:
    """Return whether a function needs (model, inputs, task labels), or takes (model, *inputs)."""
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):  # a builtin that does not say
        return False
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    starred = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return sum(p.default is p.empty for p in named) == 3 or (starred and len(named) < 2)


def own_inputs(strategy: SupervisedTemplate) -> Callable[[Any], Any] | None:
    """Return how a strategy picks the inputs out of a batch, or None for the usual way."""
    if type(strategy).mb_x is SupervisedProblem.mb_x:
        return None

    def pick(batch: Any) -> Any:
        kept, strategy.mbatch = strategy.mbatch, batch
        try:
            return strategy.mb_x
        finally:
            strategy.mbatch = kept

    return pick


def _first(batch: Any) -> Any:
    return batch[0] if isinstance(batch, tuple | list) else batch


def on_device(inputs: Any, device: torch.device) -> Any:
    """Return the inputs, in the same structure, on a device; leaves without `to` are left alone.

    Objects with a `to` are moved by it, except mappings: some of them change in place.
    """
    if hasattr(inputs, "to") and not isinstance(inputs, Mapping):
        return inputs.to(device)
    return map_leaves(lambda _, leaf: leaf.to(device) if hasattr(leaf, "to") else leaf, inputs)


def _called(model: nn.Module, inputs: Any, **labels: Tensor) -> Tensor:
    """Return what the model gives for inputs, and task labels if there are any."""
    if isinstance(model, TrainEvalModel):
        output: Tensor = model.train_classifier(call_model(model.feature_extractor, inputs))
        return output
    return call_model(model, inputs, **labels)
