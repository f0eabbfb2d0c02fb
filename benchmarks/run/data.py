"""The data of runs: each stream is read once per process and its forks.

They do not depend on a run's seed: drawn tasks are as fixed as real data sets.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from avalanche_mas.streams import TaskBenchmark
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.images import MakeStream

if TYPE_CHECKING:
    from benchmarks.record.settings import Settings


def stream_of(settings: Settings, root: Path | None) -> TaskBenchmark:
    """Return the data of a run.

    Args:
        settings: The run's configuration.
        root: The folder of the real data; `None` for drawn images.
    """
    make = EXPERIMENTS[settings.experiment].stream()
    return load_stream(make, settings.tasks, root, settings.stand_ins, settings.image_size)


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
