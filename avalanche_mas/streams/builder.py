"""From tasks to an Avalanche benchmark."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from avalanche_mas.streams.arguments import (
    check_cache,
    check_choice,
    check_counts,
    check_stand_ins,
    definitions,
    image_side,
    normalisations,
    source_of,
)
from avalanche_mas.streams.dataset import MEMORY, Cache, Pictures, pixels_of
from avalanche_mas.streams.load import Few, draw, read
from avalanche_mas.streams.registry import TASKS
from avalanche_mas.streams.stream import (
    SCENARIOS,
    TaskBenchmark,
    TaskInfo,
    make_dataset,
    make_stream,
)
from avalanche_mas.streams.task import Normalisation
from avalanche_mas.streams.transforms import TRANSFORMS, task_transforms


def eight_tasks(source: str | None = None, **options: Any) -> TaskBenchmark:
    """The paper's sequence: flowers, scenes, birds, cars, aircraft, actions, letters, svhn.

    Args:
        source: as in :func:`task_stream`.
        **options: all other keywords of :func:`task_stream`.
    """
    return task_stream(tuple(TASKS), source=source, **options)


def task_stream(
    tasks: Sequence[str],
    root: str | PathLike[str] | None = None,
    *,
    source: str | None = None,
    image_size: int | None = None,
    seed: int = 0,
    augment: bool = True,
    transforms: str = "shift",
    scenario: str = "task",
    classes: int | None = None,
    images_per_class: int | None = None,
    stand_ins: Collection[str] = (),
    normalise: Normalisation | Mapping[str, Normalisation] | None = None,
    cache: Cache = MEMORY,
) -> TaskBenchmark:
    """A stream of image tasks.

    Args:
        tasks: names out of ``TASKS``, in the order in which they are to be learned.
        root: folder under which the official distributions lie unpacked; without it, drawn tasks.
        source: "drawn" or "real"; by default what ``root`` implies.
        image_size: height and width in pixels; 32 if drawn, 224 if real.
        seed: of the halving of official test sets, of the choice of few, and of the drawing.
        augment: random shifts or crops in training, and flips where a mirrored picture keeps its
            class; without it, training pictures are treated as in evaluation.
        transforms: "shift": the whole picture as a square, in training moved by up to an eighth.
            "paper": shorter side to 256, then a crop of 224 (or in that proportion to
            ``image_size``), at random in training and from the middle in evaluation.
        scenario: "task": labels from 0 in each task, and task labels, for heads of their own.
            "domain": labels from 0 in each task, no task labels: one head for all in turn. "class":
            one label for each class of all tasks, no task labels: one shared head, which grows.
        classes: only so many classes of each task, chosen by ``seed``.
        images_per_class: only so many training pictures of each class, chosen by ``seed``.
        stand_ins: tasks for which pictures that only take the data set's place may be read, from
            ``root/stand-ins`` if they lie there. The stream lists them as ``stand_ins``.
        normalise: mean and deviation for all tasks, or for some by name, instead of a task's own.
        cache: "memory": decode everything once, now (at most 3 · image_size² bytes a picture, with
            "paper" more). A folder: keep the decoded pictures there, one memory-mapped file a task,
            which later streams of the same pictures use. None: decode whenever one is asked for.

    Returns:
        The benchmark. Training data have a transform group "eval" without anything random.

    Raises:
        ValueError: an argument is out of range, or a file cannot be understood.
        FileNotFoundError: the data are missing or incomplete; the message names the file.
        OSError: the cache folder cannot be written.
    """
    chosen = definitions(tasks)
    source = source_of(source, root)
    side = image_side(image_size, source)
    check_stand_ins(stand_ins, tasks, source)
    check_choice("transforms", transforms, TRANSFORMS)
    check_choice("scenario", scenario, SCENARIOS)
    check_counts(classes=classes, images_per_class=images_per_class)
    check_cache(cache)
    constants = normalisations(normalise, chosen)
    few = Few(classes, images_per_class)
    data: list[TaskInfo] = []
    parts: dict[str, list[Any]] = {"train": [], "valid": [], "test": []}
    for number, task in enumerate(chosen):
        if root is None:
            facts, samples = draw(task, seed, side, few)
        else:
            facts, samples = read(task, Path(root), seed, task.name in stand_ins, few)
        if scenario == "class":
            facts = replace(facts, first_label=sum(len(earlier.classes) for earlier in data))
        data.append(facts)
        how = task_transforms(
            transforms, side, constants[task.name], augment=augment, flip=task.flip
        )
        pixels = pixels_of(samples, how.geometry, cache, task.name)
        for part, inside in samples.items():
            groups = {"train": how.train if part == "train" else how.evaluate, "eval": how.evaluate}
            pictures = Pictures(inside, pixels[part], facts.first_label)
            parts[part].append(make_dataset(pictures, groups, number, scenario))
    return make_stream(parts, data, scenario)
