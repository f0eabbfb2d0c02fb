"""The samples of one task, drawn or read, and its `TaskInfo`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from avalanche_mas.streams import drawn
from avalanche_mas.streams.pictures import ArrayPicture
from avalanche_mas.streams.registry import is_stand_in, read_lists
from avalanche_mas.streams.split import (
    choose_classes,
    choose_images,
    digest,
    halve,
    with_classes,
)
from avalanche_mas.streams.stream import TaskInfo
from avalanche_mas.streams.task import Sample, Sizes, Task

Parts = dict[str, tuple[Sample, ...]]
"""The samples of "train", "valid" and "test"."""


class Few(NamedTuple):
    """How much of the data to use.

    Attributes:
        classes: number of classes per task; None: all.
        images_per_class: number of training pictures per class; None: all.
    """

    classes: int | None = None
    images_per_class: int | None = None


def draw_task(task: Task, seed: int, side: int, few: Few) -> tuple[TaskInfo, Parts]:
    """Draw a task in pictures of ``side`` by ``side`` pixels."""
    parts: Parts = {}
    for part in ("train", "valid", "test"):
        pixels, labels = drawn.draw(task.name, part, seed=seed, size=side)
        parts[part] = tuple(
            Sample(ArrayPicture(f"{part}/{i:06d}", image), int(label))
            for i, (image, label) in enumerate(zip(pixels, labels, strict=True))
        )
    names, parts = _choose(task.name, drawn.CLASSES[task.name], parts, seed, few)
    facts = TaskInfo(
        name=task.name,
        source="drawn",
        classes=names,
        sizes=_sizes(parts),
        stand_in=False,
        as_published=False,
        agreement="drawn",
        split=digest(parts),
    )
    return facts, parts


def read_task(
    task: Task, root: Path, seed: int, stand_in: bool, few: Few
) -> tuple[TaskInfo, Parts]:
    """Read a task's lists and halve its official test set."""
    reading = read_lists(task, root, stand_in)
    stand_in = is_stand_in(task, reading, root, stand_in)
    valid, test = halve(reading.test, seed)
    parts = {"train": reading.train, "valid": valid, "test": test}
    names, parts = _choose(task.name, reading.classes, parts, seed, few)
    sizes = _sizes(parts)
    whole = len(names) == task.num_classes and not stand_in
    facts = TaskInfo(
        name=task.name,
        source="real",
        classes=names,
        sizes=sizes,
        stand_in=stand_in,
        as_published=whole and sizes == task.sizes,
        complete=whole and sizes == task.complete_sizes,
        agreement="stand-in" if stand_in else task.agreement(len(names), sizes),
        left_out=reading.left_out,
        split=digest(parts),
    )
    return facts, parts


def _choose(
    task: str, names: Sequence[str], parts: Parts, seed: int, few: Few
) -> tuple[tuple[str, ...], Parts]:
    """Return the requested classes and samples."""
    try:
        if few.classes is not None:
            chosen = choose_classes(names, few.classes, seed)
            names = [names[label] for label in chosen]
            parts = {part: with_classes(samples, chosen) for part, samples in parts.items()}
        if few.images_per_class is not None:
            parts = {**parts, "train": choose_images(parts["train"], few.images_per_class, seed)}
    except ValueError as error:
        raise ValueError(f"{task}: {error}") from error
    if not all(parts.values()):
        raise ValueError(f"{task}: a stream needs pictures in every part, but has {_sizes(parts)}")
    return tuple(names), parts


def _sizes(parts: Parts) -> Sizes:
    return Sizes(*(len(parts[part]) for part in ("train", "valid", "test")))
