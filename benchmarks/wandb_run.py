"""The W&B run of a run that can be interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from avalanche_mas.logging import WandBLogger
from benchmarks.settings import Settings

PROJECT = "avalanche-mas"


class ReplayedLogger(WandBLogger):
    """A W&B logger that, when a run goes on, has each value of the run once.

    W&B writes its files in blocks, and a process that is killed loses what is not written yet. So
    all values are kept here as well, and a run that goes on begins by logging them again: offline
    into a file of its own that takes the place of those before, online as far as the server lacks
    them.

    Args:
        settings: The configuration of the run.
        folder: The run folder; W&B's files are in its subfolder `wandb`.
        mode: `"offline"` or `"online"`.
        kept: The `state` that it goes on from, `None` for a run that begins.
    """

    def __init__(
        self, settings: Settings, folder: Path, mode: str, kept: Mapping[str, Any] | None
    ) -> None:
        again = {} if kept is None else {"id": kept["id"], "resume": "allow"}
        for old in folder.glob(f"wandb/offline-run-*-{again['id']}") if kept else ():
            shutil.rmtree(old)
        self._values: list[tuple[str, Any, int]] = []
        super().__init__(
            project_name=PROJECT,
            config=settings.as_json(),
            dir=folder,
            save_code=False,
            params={"mode": mode, **described(settings), **again},
        )
        self._first = self.run.step
        for value in kept["values"] if kept else ():
            self.log_single_metric(*value)

    def state(self) -> dict[str, Any]:
        """Return what it goes on from, to be pickled; the values are not copies."""
        return {"id": self.run.id, "values": list(self._values)}

    def keep_file(self, file: Path) -> None:
        """Log a file that the run leaves behind as an artifact, named after the run and the file."""
        artifact = wandb.Artifact(f"{file.stem}-{self.run.id}", type=file.stem)
        artifact.add_file(str(file))
        self.run.log_artifact(artifact)

    def log_single_metric(self, name: str, value: Any, x_plot: int) -> None:
        """Log one value, unless W&B has it already."""
        self._values.append((name, value, x_plot))
        if x_plot >= self._first:
            super().log_single_metric(name, value, x_plot)


def described(settings: Settings) -> dict[str, Any]:
    """Return how W&B is to call and group a run: as the tables of the report are.

    The group is the experiment, and the sequence of tasks where it has several; the job type is the
    method; the name is what tells a run from the others of its group.
    """
    parts = settings.folder(Path()).parts
    method = parts.index(settings.method)
    return {
        "group": "/".join(parts[:method]),
        "job_type": settings.method,
        "name": "/".join(parts[method:]),
        "tags": list(dict.fromkeys((settings.source, settings.model, settings.method))),
    }
