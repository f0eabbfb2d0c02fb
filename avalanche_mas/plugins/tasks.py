"""A task of MAS in Avalanche's terms: its data, its labels, its parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from avalanche.benchmarks import CLExperience, CLScenario, OnlineCLExperience
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.models.dynamic_modules import MultiHeadClassifier
from avalanche.training.supervised import JointTraining
from avalanche.training.templates import SupervisedTemplate
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset

from avalanche_mas.names import parameters_of
from avalanche_mas.options import guess

Data: TypeAlias = "Dataset[Any] | Iterable[Any]"
"""A data set, or an iterable of batches: each an input tensor, or a tuple that begins with one."""

IMPORTANCE_ON = ("train", "valid", "test", "train+test")
"""The parts of a task's data that its importance can be measured on."""


class Part(NamedTuple):
    """Data that importance is measured on, and the labels of the task that they belong to."""

    data: Data
    task_labels: tuple[int, ...] | None


def trained_together(strategy: SupervisedTemplate) -> list[CLExperience]:
    """Return the experiences that are trained at once: those of joint training, else a single one.

    Joint training on the pieces of an online stream trains on their whole tasks.
    """
    if isinstance(strategy, JointTraining):
        tasks = map(_task, strategy._experiences)
        return list({id(task): task for task in tasks}.values())
    return [strategy.experience]


def all_task_labels(labels: Iterable[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    """Return the labels of several tasks together, sorted; None if a task has none."""
    each = list(labels)
    if None in each:
        return None
    return _different(label for some in each for label in some or ())


def task_data(experience: CLExperience) -> AvalancheDataset:
    """Return the data of the whole task, which an online piece takes from its origin if accessible."""
    return _task(experience).dataset


def importance_data(
    experience: CLExperience, importance_on: str, benchmark: CLScenario | None
) -> list[AvalancheDataset]:
    """Return the parts of a task's data that its importance is to be measured on.

    Args:
        experience: the training experience, or a piece of it.
        importance_on: one of `IMPORTANCE_ON`. "valid" and "test" are the experience of the same
            number in the benchmark's stream of that name.
        benchmark: the benchmark; None: the one that the experience's stream belongs to.

    Raises:
        ValueError: there is no such stream or experience, or it is empty.
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
    """Return the experience of the same number in another stream."""
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
            f"the {name!r} stream to measure importance on is unknown: this stream does not refer to "
            "its benchmark, as most of Avalanche's do not; pass benchmark= to the plugin"
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
    """Return whether a task starts with this experience."""
    return not _is_piece(experience) or bool(experience.is_first_subexp)


def ends_task(experience: CLExperience, pieces: int) -> bool:
    """Return whether a task ends with this experience, where it is the task's `pieces`-th piece."""
    if not _is_piece(experience) or experience.is_last_subexp:
        return True
    # Avalanche 0.6 marks no piece as the last one where the pieces divide the task evenly.
    length: int | None = experience.sub_stream_length
    return length is not None and pieces >= length


def _is_piece(experience: CLExperience) -> bool:
    """Return whether it is a sub-experience of an online stream with accessible task boundaries."""
    return isinstance(experience, OnlineCLExperience) and experience.access_task_boundaries


def task_labels_of(experience: CLExperience) -> tuple[int, ...] | None:
    """Return the different task labels of an experience, sorted; None where it has none."""
    return _different(getattr(experience, "task_labels", None))


def task_labels_in(data: Data) -> tuple[int, ...] | None:
    """Return the different task labels that data yield, sorted; None where they yield none."""
    return _different(data.targets_task_labels) if has_task_labels(data) else None


def _different(labels: Iterable[int] | None) -> tuple[int, ...] | None:
    return None if labels is None else tuple(sorted({int(label) for label in labels}))


def batches_of(
    data: Data, batch_size: int, num_workers: int, place: tuple[int, int] = (0, 1)
) -> Iterable[Any]:
    """Return the batches of a data set, with eval transforms and its own collate function, in order.

    Args:
        data: the data set, or batches, which are returned as they are.
        batch_size: samples per batch.
        num_workers: worker processes for loading.
        place: the rank of this process and the number of processes, to which the batches of a data
            set are dealt out in turn.
    """
    if isinstance(data, AvalancheDataset):
        dataset: Dataset[Any] = data.eval()
    elif isinstance(data, Dataset):
        dataset = data
    else:
        return data
    collate = getattr(dataset, "collate_fn", None)
    options: dict[str, Any] = {"num_workers": num_workers, "collate_fn": collate}
    rank, processes = place
    if processes == 1 or isinstance(dataset, IterableDataset):
        every = DataLoader(dataset, batch_size, **options)
        return every if processes == 1 else islice(every, rank, None, processes)
    dealt = list(BatchSampler(range(len(dataset)), batch_size, drop_last=False))[rank::processes]  # type: ignore[arg-type]
    return DataLoader(dataset, batch_sampler=dealt, **options)


def has_task_labels(data: Data) -> TypeGuard[AvalancheDataset]:
    """Return whether the last entry of every sample is its task label."""
    labels = getattr(data, "targets_task_labels", None)
    return isinstance(data, AvalancheDataset) and getattr(labels, "use_in_getitem", False)


def names_left_out(
    model: nn.Module,
    exclude: str | Iterable[str],
    task_labels: Collection[int] | None,
    held: Collection[str] = (),
) -> frozenset[str]:
    """Return the names of the parameters that take no part: excluded ones, and heads of other tasks.

    Args:
        model: the model.
        exclude: a pattern (as of `fnmatch`) of names, or several.
        task_labels: the labels of the current task, if it has any.
        held: names that the patterns may match, too, of parameters that the model no longer has.

    Raises:
        ValueError: a pattern matches no parameter, or nothing that could be trained is left.
    """
    parameters = parameters_of(model)
    left_out = names_excluded(model, exclude, held)
    if task_labels is not None:
        others = _parameters_of_other_heads(model, task_labels)
        left_out |= {name for name, parameter in parameters.items() if parameter in others}
    if not any(p.requires_grad and name not in left_out for name, p in parameters.items()):
        raise ValueError(
            f"{type(model).__name__} has no trainable parameter to hold: of its {len(parameters)}, "
            f"{len(left_out)} are left out and the rest require no gradient"
        )
    return frozenset(left_out)


def names_excluded(
    model: nn.Module, exclude: str | Iterable[str], held: Collection[str]
) -> set[str]:
    """Return the names of parameters that match a pattern, as for `names_left_out`.

    Raises:
        ValueError: a pattern matches none.
    """
    parameters = parameters_of(model)
    names = [*parameters, *sorted(set(held) - parameters.keys())]
    excluded = set()
    for pattern in (exclude,) if isinstance(exclude, str) else exclude:
        matches = [name for name in names if fnmatchcase(name, pattern)]
        if not matches:
            raise ValueError(
                f"exclude pattern {pattern!r} matches no parameter of the model; "
                f"its {len(names)} parameters are {', '.join(list(names)[:8])}, ..."
                f"{guess(pattern, names)}"
            )
        excluded.update(matches)
    return excluded


def _parameters_of_other_heads(model: nn.Module, task_labels: Collection[int]) -> set[nn.Parameter]:
    """Return the parameters of heads for tasks other than these."""
    own = {str(label) for label in task_labels}
    return {
        parameter
        for module in model.modules()
        if isinstance(module, MultiHeadClassifier)
        for label, head in module.classifiers.items()
        if label not in own
        for parameter in head.parameters()
    }
