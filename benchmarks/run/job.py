"""A run to do, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.record.settings import Settings
from benchmarks.run.names import title_of


@dataclass(frozen=True)
class Job:
    """A run, and the things it needs that do not affect its numbers.

    `root` is the folder of the real data, `None` for drawn images; `weights` the file with the
    initial weights, `None` for random ones; `wandb` is "offline", "online" or "disabled". `cache` says
    where decoded images are kept (see `stream_of`), `workers` how many processes read data, and `code`
    is the folder that modules named by import path may be in, `None` if there are none.
    """

    settings: Settings
    folder: Path
    root: Path | None = None
    weights: Path | None = None
    threads: int = 1
    wandb: str = "disabled"
    tensorboard: bool = False
    cache: str = "memory"
    workers: int = 0
    code: Path | None = None

    @property
    def tracked(self) -> bool:
        """Whether metrics go anywhere besides the table in the run folder."""
        return self.tensorboard or self.wandb != "disabled"

    @property
    def title(self) -> str:
        """The run's name on the terminal."""
        return title_of(self.settings)
