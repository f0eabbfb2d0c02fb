"""The data of runs: each stream is read once per process and its forks.

They do not depend on a run's seed: drawn tasks are as fixed as real data sets.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avalanche_mas.streams import TaskBenchmark
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.images import MakeStream
from benchmarks.experiments.own_stream import own_stream

if TYPE_CHECKING:
    from benchmarks.record.settings import Settings

_OPTIONS = ("transforms", "scenario", "classes", "images_per_class")
"""The settings that are options of streams, if they are not `None`."""


def stream_of(settings: Settings, root: Path | None, cache: str = "memory") -> TaskBenchmark:
    """Return the data of a run, drawn by code without a root.

    Decoded images are kept in memory, in the folder that `cache` names, or, with "none", nowhere.
    """
    if settings.stream is not None:
        return load_own_stream(settings.stream)
    make = EXPERIMENTS[settings.experiment].stream()
    options = {n: v for n in _OPTIONS if (v := getattr(settings, n)) is not None}
    if cache != "memory":
        options["cache"] = None if cache == "none" else Path(cache)
    side = settings.image_size
    return load_stream(make, settings.tasks, root, settings.stand_ins, side, **options)


def with_data(settings: Settings, stream: TaskBenchmark) -> Settings:
    """Return the settings with the fields that depend on the data."""
    samples = {task.name: list(task.sizes) for task in stream.tasks}
    tasks = settings.tasks or tuple(stream.task_names)  # of an own stream, known only now
    return replace(settings, samples=samples, stand_ins=tuple(stream.stand_ins), tasks=tasks)


@cache
def load_stream(
    make: MakeStream,
    tasks: tuple[str, ...],
    root: Path | None,
    stand_ins: tuple[str, ...],
    image_size: int | None,
    **options: Any,
) -> TaskBenchmark:
    """Return a stream, made once."""
    return make(tasks, root, stand_ins, image_size, **options)


load_own_stream = cache(own_stream)
"""Returns the stream at an import path, made once."""
