"""Jobs for which nothing is trained, and a work that two runs can only do at the same time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PATIENCE = 300.0
"""Seconds after which something will not happen any more; nothing waits as long that goes well."""


@dataclass(frozen=True)
class Light:
    """What engines need of a job."""

    name: str
    folder: Path
    root: Path | None = None
    weights: Path | None = None
    code: Path | None = None
    threads: int = 1

    @property
    def settings(self) -> Any:
        return SimpleNamespace(device="cpu")

    @property
    def title(self) -> str:
        return self.name


def light_jobs(folder: Path, *names: str) -> list[Any]:
    return [Light(name, folder / name) for name in names]


def wait_for(*files: Path) -> None:
    """Wait until all files are there."""
    end = time.monotonic() + PATIENCE
    while not all(file.exists() for file in files):
        if time.monotonic() > end:
            raise TimeoutError(f"{', '.join(map(str, files))} did not come")
        time.sleep(0.02)
