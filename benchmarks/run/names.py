"""A run's folder and its name on the terminal."""

from __future__ import annotations

from pathlib import Path

from benchmarks.experiments import EXPERIMENTS
from benchmarks.record.settings import Settings


def folder_of(settings: Settings, output: Path) -> Path:
    """Return the folder of a run below `output`."""
    parts = [settings.experiment]
    if len(EXPERIMENTS[settings.experiment].sequences) > 1:
        parts.append("-".join(settings.tasks))
    parts.append(method_folder(settings.method))
    if settings.choose is not None:
        parts.append(settings.choose)
    if settings.strength_grid:
        parts.append(f"strength-{settings.strength:.15g}")
    if settings.importance_on is not None:
        parts.append(settings.importance_on.replace(",", "").replace(" ", "-"))
    if settings.strength_share is not None:
        parts.append(f"strength-x{settings.strength_share:g}")
    return output.joinpath(*parts, f"seed{settings.seed}")


def method_folder(method: str) -> str:
    """Return a method's part of the path of its run folders; an import path has no colon there."""
    return method.replace(":", ".")


def title_of(settings: Settings) -> str:
    """Return a run's name on the terminal."""
    several = len(EXPERIMENTS[settings.experiment].sequences) > 1
    parts = [
        " ".join(settings.tasks) if several else "",
        settings.method + ("" if settings.strength is None else f" ({settings.strength:g})"),
        "" if settings.importance_on is None else f"Ω on {settings.importance_on}",
        settings.choose or "",
        f"seed {settings.seed}",
    ]
    return ", ".join(filter(None, parts))
