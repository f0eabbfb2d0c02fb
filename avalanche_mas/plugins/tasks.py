"""What a task is to MAS, in Avalanche's terms: its data, its labels, its parameters."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from typing import Any, TypeAlias, TypeGuard

import torch
from avalanche.benchmarks import CLExperience, CLScenario, OnlineCLExperience
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.models.dynamic_modules import MultiHeadClassifier
from avalanche.models.utils import is_multi_task_module
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

Data: TypeAlias = "Dataset[Any] | Iterable[Any]"
"""A data set, or an iterable of batches: each an input tensor, or a tuple that begins with one."""

Output: TypeAlias = Callable[[nn.Module, Any], Tensor]
"""From a model and what it is given, inputs or (inputs, task labels), to the output [B, D]."""

IMPORTANCE_ON = ("train", "valid", "test", "train+test")
"""The parts of a task's data that its importance can be measured on."""


def task_data(experience: CLExperience) -> AvalancheDataset:
    """The data of the whole task: that of an online piece's origin, if that is accessible."""
    return _task(experience).dataset


def importance_data(
    experience: CLExperience, importance_on: str, benchmark: CLScenario | None
) -> list[AvalancheDataset]:
    """The parts of a task's data that its importance is to be measured on.

    Args:
        experience: The training experience, or a piece of it.
        importance_on: One of `IMPORTANCE_ON`. "valid" and "test" are the experience of the same
            number in the benchmark's stream of that name.
        benchmark: The benchmark; None: the one that the experience's stream belongs to.

    Raises:
        ValueError: There is no such stream or experience, or it is empty.
    """
    task = _task(experience)
    parts = [
        task.dataset if part == "train" else _counterpart(task, part, benchmark).dataset
        for part in importance_on.split("+")
    ]
    if not all(map(len, parts)):
        raise ValueError(f"importance_on={importance_on!r}: the data of this task are empty")
    return parts


def _task(experience: CLExperience) -> CLExperience:
    return experience.origin_experience if _is_piece(experience) else experience


def _counterpart(task: CLExperience, name: str, benchmark: CLScenario | None) -> CLExperience:
    """The experience of the same number in another stream."""
    if isinstance(task, OnlineCLExperience):
        raise ValueError(
            f"a piece of an online stream has no {name!r} data of its own; to measure importance on "
            "those of its task, split the stream with access_task_boundaries=True"
        )
    with task.no_attribute_masking():
        number = task.current_experience
        if benchmark is None:
            benchmark = task.origin_stream.benchmark
    if benchmark is None:
        raise ValueError(
            f"which benchmark's {name!r} stream to measure importance on is not known: most of "
            "Avalanche's streams do not tell theirs; pass benchmark= to the plugin"
        )
    if name not in benchmark.streams:
        known = ", ".join(map(repr, benchmark.streams))
        raise ValueError(
            f"the benchmark has no stream {name!r} to measure importance on; it has {known}"
        )
    numbers = []
    for experience in benchmark.streams[name]:
        if experience.current_experience == number:
            return experience
        numbers.append(experience.current_experience)
    raise ValueError(
        f"the {name!r} stream has no experience {number} to measure this task's importance on; "
        f"it has {numbers}"
    )


def starts_task(experience: CLExperience) -> bool:
    """Whether a task starts with this experience."""
    return not _is_piece(experience) or bool(experience.is_first_subexp)


def ends_task(experience: CLExperience, pieces: int) -> bool:
    """Whether a task ends with this experience, where it is the task's `pieces`-th piece."""
    if not _is_piece(experience) or experience.is_last_subexp:
        return True
    # Avalanche 0.6 marks no piece as the last one where the pieces divide the task evenly.
    length: int | None = experience.sub_stream_length
    return length is not None and pieces >= length


def _is_piece(experience: CLExperience) -> bool:
    """Whether it is a piece of an online stream that lets its task be known."""
    return isinstance(experience, OnlineCLExperience) and experience.access_task_boundaries


def task_labels_of(experience: CLExperience) -> tuple[int, ...] | None:
    """The different task labels of an experience, sorted; None where it has none."""
    return _different(getattr(experience, "task_labels", None))


def task_labels_in(data: Data) -> tuple[int, ...] | None:
    """The different task labels that data yield, sorted; None where they yield none."""
    return _different(data.targets_task_labels) if _has_task_labels(data) else None


def _different(labels: Iterable[int] | None) -> tuple[int, ...] | None:
    return None if labels is None else tuple(sorted({int(label) for label in labels}))


def batches_of(data: Data, batch_size: int, num_workers: int) -> Iterable[Any]:
    """The batches of a data set, with eval transforms and its own collate function, in order."""
    if isinstance(data, AvalancheDataset):
        dataset: Dataset[Any] = data.eval()
    elif isinstance(data, Dataset):
        dataset = data
    else:
        return data
    return DataLoader(
        dataset,
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=getattr(dataset, "collate_fn", None),
    )


def _has_task_labels(data: Data) -> TypeGuard[AvalancheDataset]:
    """Whether the last entry of every sample is its task label."""
    labels = getattr(data, "targets_task_labels", None)
    return isinstance(data, AvalancheDataset) and getattr(labels, "use_in_getitem", False)


class TaskOutput:
    """The output that counts for a batch; a multi-task model is given task labels as well.

    The labels are the last entry of the batch where the data has them, and else the one label of
    the current task.

    Args:
        data: Where the batches come from.
        device: Where the model is.
        task_labels: The labels of the current task, if it has any.
        forward: As for `MASPlugin`.
    """

    def __init__(
        self,
        data: Data,
        device: torch.device,
        task_labels: tuple[int, ...] | None,
        forward: Output | None = None,
    ) -> None:
        self.labelled = _has_task_labels(data)
        self.device = device
        self.task_labels = task_labels  # of the current task
        self.forward = forward

    def __call__(self, model: nn.Module, batch: Any) -> Tensor:
        """The output for one batch, which is an input tensor or begins with one.

        Raises:
            ValueError: A multi-task model, and no label is known.
        """
        inputs = (batch if isinstance(batch, Tensor) else batch[0]).to(self.device)
        given: tuple[Tensor, ...] = (inputs,)
        if is_multi_task_module(model):
            given = (inputs, self._labels(batch, len(inputs)))
        if self.forward is None:
            output: Tensor = model(*given)
            return output
        if len(given) > 1 and _takes_labels(self.forward):
            warnings.warn(
                "forward=(model, inputs, task labels) is now forward=(model, batch), where the "
                "batch is (inputs, task labels)",
                DeprecationWarning,
                stacklevel=2,
            )
            return self.forward(model, *given)
        return self.forward(model, given if len(given) > 1 else inputs)

    def _labels(self, batch: Any, count: int) -> Tensor:
        if self.labelled:
            labels: Tensor = batch[-1].to(self.device)
            return labels
        if self.task_labels is None or len(self.task_labels) != 1:
            raise ValueError(
                f"a multi-task model needs task labels; the data has none, and those of the "
                f"current task are {self.task_labels}; pass an AvalancheDataset with task labels"
            )
        return torch.full((count,), self.task_labels[0], device=self.device)


def _takes_labels(forward: Callable[..., Tensor]) -> bool:
    """Whether a function takes the task labels as an argument of their own, as it once had to."""
    try:
        inspect.signature(forward).bind(None, None, None)
    except (TypeError, ValueError):  # too many arguments, or a builtin that does not say
        return False
    return True


def names_left_out(
    model: nn.Module, exclude: Iterable[str], task_labels: Collection[int] | None
) -> frozenset[str]:
    """Names of the parameters that take no part: excluded ones, and heads of other tasks.

    Raises:
        ValueError: A pattern matches no parameter, or nothing that could be trained is left.
    """
    names = [name for name, _ in model.named_parameters()]
    left_out = set() if task_labels is None else _other_heads(model, task_labels)
    for pattern in exclude:
        matches = [name for name in names if fnmatchcase(name, pattern)]
        if not matches:
            raise ValueError(
                f"exclude pattern {pattern!r} matches no parameter of the model; "
                f"its {len(names)} parameters are {', '.join(names[:8])}, ..."
            )
        left_out.update(matches)
    if not any(p.requires_grad and name not in left_out for name, p in model.named_parameters()):
        raise ValueError(
            f"{type(model).__name__} has no trainable parameter to hold: of its {len(names)}, "
            f"{len(left_out)} are left out and the rest require no gradient"
        )
    return frozenset(left_out)


def _other_heads(model: nn.Module, task_labels: Collection[int]) -> set[str]:
    """Names of the parameters of heads for tasks other than these."""
    own = {str(label) for label in task_labels}
    return {
        f"{path}.classifiers.{label}.{name}".lstrip(".")
        for path, module in model.named_modules()
        if isinstance(module, MultiHeadClassifier)
        for label, head in module.classifiers.items()
        if label not in own
        for name, _ in head.named_parameters()
    }
