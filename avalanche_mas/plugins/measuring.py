"""How a plugin measures Ω_n: on which data, with which parameters, on what device."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from avalanche.benchmarks import CLExperience
from avalanche.training.templates import SupervisedTemplate
from torch import nn

from avalanche_mas.importance import Importance
from avalanche_mas.importance.result.fingerprint import fingerprint
from avalanche_mas.names import parameters_of, unwrapped
from avalanche_mas.plugins.memory import Memory
from avalanche_mas.plugins.outputs import TaskOutput, own_inputs
from avalanche_mas.plugins.tasks import (
    Part,
    all_task_labels,
    batches_of,
    importance_data,
    names_left_out,
    task_labels_of,
)
from avalanche_mas.processes import gathered, group_of, place_in

if TYPE_CHECKING:
    from avalanche_mas.plugins.base import ImportancePlugin


def parts_to_measure(plugin: ImportancePlugin, together: Sequence[CLExperience]) -> list[Part]:
    """Return the data to measure on, of all experiences that are trained together."""
    return [
        Part(data, task_labels_of(experience))
        for experience in together
        for data in importance_data(experience, plugin.importance_on, plugin.benchmark)
    ]


def try_to_measure(
    plugin: ImportancePlugin, strategy: SupervisedTemplate, parts: Sequence[Part]
) -> None:
    """Measure importance on the first two samples, which may not interact, and discard the result.

    Raises:
        TypeError: the output is not a tensor.
        ValueError: anything else went wrong; the message says what to do.
    """
    first = [p._replace(data=p.data.subset([0, 1][: len(p.data)])) for p in parts]  # type: ignore[union-attr, arg-type]
    try:
        measured(plugin, strategy, first, alone=True)
    except Exception as error:
        if "forward=" in str(error):
            raise
        raise ValueError(
            f"importance cannot be measured: the first two samples in eval mode give "
            f"{type(error).__name__}: {error}. If the model must be called in another way, or "
            f"another output counts, pass forward=(model, batch) -> Tensor"
        ) from error


def measured(
    plugin: ImportancePlugin,
    strategy: SupervisedTemplate,
    parts: Sequence[Part],
    start: Importance | None = None,
    progress: bool = False,
    *,
    alone: bool = False,
) -> Importance:
    """Return Ω_n on all parts of the data, and on what `start` was measured on.

    Processes that train together share the samples of data sets, and each has batches of its own;
    `alone`, this process measures on all of them.
    """
    group = None if alone else group_of(strategy.model)
    model, estimate = unwrapped(strategy.model), start
    task_labels = all_task_labels(part.task_labels for part in parts)
    left_out = names_left_out(model, plugin.exclude, task_labels, plugin._memory.names)
    trainable = [name for name, p in parameters_of(model).items() if p.requires_grad]
    names = start or [name for name in trainable if name not in left_out]
    for data, labels in parts:
        estimate = plugin._estimator(
            model,
            batches_of(
                data,
                plugin.batch_size or strategy.train_mb_size,
                plugin.num_workers,
                place_in(group),
            ),
            start=estimate,
            forward=TaskOutput(data, strategy.device, labels, plugin.forward, own_inputs(strategy)),
            parameters=names,
            progress=progress,
            group=group,
        )
    if estimate is None:
        raise ValueError("there are no data to measure importance on")
    return estimate


class Ending(NamedTuple):
    """A measurement at the end of a task: its data, and digests of the buffers at that time."""

    parts: Sequence[Part]
    buffers: dict[str, str]

    @classmethod
    def of(cls, model: nn.Module, parts: Sequence[Part]) -> Ending:
        """Return the ending of a task that has just been measured."""
        return cls(parts, _digests(model))

    def holds(self, model: nn.Module, memory: Memory) -> bool:
        """Return whether θ* and the buffers, such as running statistics, are those of the model.

        In several processes they are compared in the first, whose buffers count.
        """
        now = _digests(unwrapped(model))
        same = all(now.get(name, digest) == digest for name, digest in self.buffers.items())
        return gathered(group_of(model), same and not memory.changed(model))[0]

    def repeatable(self) -> list[Part]:
        """Return the data that can be read again, and warn if some cannot."""
        again = [part for part in self.parts if not isinstance(part.data, Iterator)]
        if len(again) < len(self.parts):
            warnings.warn(
                "the model was changed after update_importance; what it was given can be read "
                "only once, so that Ω does not include it. Call it when train() has returned",
                stacklevel=2,
            )
        return again


def _digests(model: nn.Module) -> dict[str, str]:
    """Return digests of what the output depends on besides the parameters."""
    return fingerprint({n: b for n, b in model.named_buffers() if b.is_floating_point()})
