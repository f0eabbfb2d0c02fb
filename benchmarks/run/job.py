"""A run to be done, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.record.settings import Settings
from benchmarks.run.names import title_of


@dataclass(frozen=True)
class Job:
    """A run, and what it needs that does not decide its numbers.

    Attributes:
        settings: The configuration.
        folder: The run folder.
        root: The folder of the real data, `None` where the images are drawn.
        weights: The file with the initial weights, `None` for random ones.
        threads: Threads of the run.
        wandb: `"offline"`, `"online"` or `"disabled"`.
        tensorboard: Whether TensorBoard's event files are written, too.
    """

    settings: Settings
    folder: Path
    root: Path | None = None
    weights: Path | None = None
    threads: int = 1
    wandb: str = "disabled"
    tensorboard: bool = False

    @property
    def tracked(self) -> bool:
        """Whether metrics go further than to the table of the run folder."""
        return self.tensorboard or self.wandb != "disabled"

    @property
    def title(self) -> str:
        """The name of the run on the terminal."""
        return title_of(self.settings)
