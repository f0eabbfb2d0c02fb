"""Checks of the arguments of :func:`~avalanche_mas.streams.task_stream`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from os import PathLike

from avalanche_mas.options import check_option
from avalanche_mas.streams.registry import TASKS, find_task
from avalanche_mas.streams.task import Normalisation, Task

IMAGE_SIZES = {"drawn": 32, "real": 224}
"""Default height and width of an image, in pixels."""

SMALLEST = 16
"""The smallest image size allowed, in pixels."""


def definitions(tasks: Sequence[str]) -> list[Task]:
    """Return the definitions of one or more distinct tasks."""
    if isinstance(tasks, str):
        raise TypeError(f"tasks must be a list of names, not the string {tasks!r}: say [{tasks!r}]")
    if not tasks:
        raise ValueError(f"a stream needs at least one task; the tasks are {', '.join(TASKS)}")
    for name in tasks:
        if list(tasks).count(name) > 1:
            raise ValueError(f"task {name!r} is given twice in {list(tasks)}")
    return [find_task(name) for name in tasks]


def source_of(source: str | None, root: str | PathLike[str] | None) -> str:
    """Return the source, by default the one that the root implies; check that the two agree."""
    chosen = source if source is not None else "drawn" if root is None else "real"
    check_option("source", chosen, IMAGE_SIZES)
    if chosen == "drawn" and root is not None:
        raise ValueError(f"drawn tasks need no data folder, but root={str(root)!r} was given")
    if chosen == "real" and root is None:
        raise ValueError("real data need root=, the folder that holds them")
    return chosen


def image_side(image_size: int | None, source: str) -> int:
    """Return the height and width of images, by default those of the source."""
    if image_size is None:
        return IMAGE_SIZES[source]
    if not _is_int(image_size) or image_size < SMALLEST:
        raise ValueError(f"image_size must be an int of at least {SMALLEST}, not {image_size!r}")
    return image_size


def check_stand_ins(stand_ins: Collection[str], tasks: Sequence[str], source: str) -> None:
    """Check that stand-ins are a list of names of real tasks in the stream."""
    if isinstance(stand_ins, str):
        raise TypeError(f"stand_ins must be a list of names, not the string {stand_ins!r}")
    for name in stand_ins:
        if source == "drawn" or name not in tasks:
            raise ValueError(f"stand-in {name!r} is not one of the real tasks of this stream")


def check_counts(**counts: int | None) -> None:
    """Check that each count is an int of at least 1, or None."""
    for name, count in counts.items():
        if count is not None and (not _is_int(count) or count < 1):
            raise ValueError(f"{name} must be an int of at least 1, or None, not {count!r}")


def check_cache(cache: object) -> None:
    """Check that the cache is a folder, "memory" or None."""
    if cache is not None and not isinstance(cache, (str, PathLike)):
        raise TypeError(f'cache must be "memory", a folder or None, not {cache!r}')
    if cache == "none":
        raise ValueError(
            'cache="none" could be a folder; say None to keep nothing, or "./none" for the folder'
        )


def normalisations(
    normalise: Normalisation | Mapping[str, Normalisation] | None, tasks: Sequence[Task]
) -> dict[str, Normalisation]:
    """Return every task's constants: those given for it, otherwise its own."""
    own = {task.name: task.normalisation for task in tasks}
    if isinstance(normalise, Normalisation):
        return dict.fromkeys(own, normalise)
    for name in normalise or {}:
        if name not in own:
            raise ValueError(f"normalise names {name!r}; the tasks of the stream are {list(own)}")
    return {**own, **(normalise or {})}


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
