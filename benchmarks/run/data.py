"""The data of runs: each stream is read once per process and its forks.

They do not depend on a run's seed: drawn tasks are as fixed as real data sets.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from avalanche_mas.streams import TaskBenchmark
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.images import MakeStream

if TYPE_CHECKING:
    from benchmarks.record.settings import Settings


def stream_of(settings: Settings, root: Path | None) -> TaskBenchmark:
    """Return the data of a run, drawn by code without a root."""
    make = EXPERIMENTS[settings.experiment].stream()
    return load_stream(make, settings.tasks, root, settings.stand_ins, settings.image_size)


def with_data(settings: Settings, stream: TaskBenchmark) -> Settings:
    """Return the settings with the fields that depend on the data."""
    samples = {task.name: list(task.sizes) for task in stream.tasks}
    return replace(settings, samples=samples, stand_ins=tuple(stream.stand_ins))


@cache
def load_stream(
    make: MakeStream,
    tasks: tuple[str, ...],
    root: Path | None,
    stand_ins: tuple[str, ...],
    image_size: int,
) -> TaskBenchmark:
    """Return a stream, made once."""
    return make(tasks, root, stand_ins, image_size)
