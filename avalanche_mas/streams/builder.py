"""Building an Avalanche benchmark from tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from avalanche_mas.options import check_option
from avalanche_mas.streams.arguments import (
    check_cache,
    check_counts,
    check_stand_ins,
    definitions,
    image_side,
    normalisations,
    source_of,
)
from avalanche_mas.streams.dataset import MEMORY, Cache, Pictures, pixels_of
from avalanche_mas.streams.load import Few, draw_task, read_task
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
    """Make the paper's sequence: flowers, scenes, birds, cars, aircraft, actions, letters, svhn.

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
    """Make a stream of image tasks.

    Args:
        tasks: names from ``TASKS``, in the order of learning.
        root: folder with the unpacked official distributions; without it, tasks are drawn.
        source: "drawn" or "real"; by default what ``root`` implies.
        image_size: height and width in pixels; 32 if drawn, 224 if real.
        seed: for halving the official test sets, choosing subsets, and drawing.
        augment: shift or crop training pictures at random, and flip them where a mirrored picture
            keeps its class; otherwise they are treated as in evaluation.
        transforms: "shift": the whole picture as a square, shifted by up to an eighth in training.
            "paper": shorter side resized to 256, then a crop of 224 (scaled in proportion to
            ``image_size``), at random in training and from the centre in evaluation.
        scenario: "task": labels from 0 in each task, and task labels, for one head per task.
            "domain": labels from 0 in each task, no task labels, for one head used by all tasks.
            "class": distinct labels for the classes of all tasks, no task labels, for one growing head.
        classes: use only this many classes of each task, chosen by ``seed``.
        images_per_class: use only this many training pictures per class, chosen by ``seed``.
        stand_ins: tasks for which other pictures may stand in for the data set; they are read from
            ``root/stand-ins`` where present. The stream lists them as ``stand_ins``.
        normalise: mean and deviation for all tasks, or for some by name, instead of a task's own.
        cache: "memory": decode everything once, now (at most 3 · image_size² bytes per picture, more
            with "paper"). A folder: keep the decoded pictures there, in one memory-mapped file per
            task, which later streams of the same pictures reuse; none is removed, so delete what no
            stream uses. None: decode on every access.

    Returns:
        The benchmark. Training data have a transform group "eval" without randomness.

    Raises:
        ValueError: an argument is out of range, or a file cannot be understood.
        FileNotFoundError: the data are missing or incomplete; the message names the file.
        OSError: the cache folder cannot be written.
    """
    chosen = definitions(tasks)
    source = source_of(source, root)
    side = image_side(image_size, source)
    check_stand_ins(stand_ins, tasks, source)
    check_option("transforms", transforms, TRANSFORMS)
    check_option("scenario", scenario, SCENARIOS)
    check_counts(classes=classes, images_per_class=images_per_class)
    check_cache(cache)
    constants = normalisations(normalise, chosen)
    few = Few(classes, images_per_class)
    data: list[TaskInfo] = []
    parts: dict[str, list[Any]] = {"train": [], "valid": [], "test": []}
    for number, task in enumerate(chosen):
        if root is None:
            facts, samples = draw_task(task, seed, side, few)
        else:
            facts, samples = read_task(task, Path(root), seed, task.name in stand_ins, few)
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
