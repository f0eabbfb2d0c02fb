"""Run folders: whether one is finished, and how one is begun and continued; see `schema`."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import avalanche_mas
from avalanche_mas.files import TEMPORARY
from benchmarks.record.code_version import code_version
from benchmarks.record.files import read_json, write_json
from benchmarks.record.recipe import completed
from benchmarks.record.schema import CONFIG, LOG, RESULT, VERSIONS
from benchmarks.record.settings import Settings, differences

_PACKAGES = ("torch", "torchvision", "avalanche-lib", "numpy", "wandb")


def is_finished(folder: Path, settings: Settings) -> bool:
    """Return whether a run folder already holds this run's result.

    Raises:
        ValueError: The folder holds another configuration, or something other than a run.
    """
    nothing_whole = folder.is_dir() and all(
        file.name == LOG or file.suffix == TEMPORARY for file in folder.iterdir()
    )
    if nothing_whole or not folder.exists():
        return False
    if not (folder / CONFIG).is_file():
        raise ValueError(
            f"{folder} exists and is not a run folder (it has no {CONFIG}); choose another --output"
        )
    try:
        old = completed(read_json(folder / CONFIG))
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} cannot be read ({error}); remove {folder}") from error
    new = settings.as_json()
    for name in differences(old, new):
        raise ValueError(
            f"{folder} holds a run with another configuration: {name} is {old.get(name)!r} there, "
            f"{new.get(name)!r} was asked for; choose another --output, or remove that folder"
        )
    return (folder / RESULT).is_file()


def start_folder(folder: Path, settings: Settings, threads: int) -> None:
    """Make a run folder with what is known before the run; empty an unfinished one.

    `CONFIG` is written first and removed last, so a run folder is always recognisable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != CONFIG:
            entry.unlink()
    write_json(folder / CONFIG, settings.as_json())
    write_json(folder / VERSIONS, versions(threads))


def continue_folder(folder: Path, threads: int, trained: int) -> None:
    """Record in a run folder that the run continues, and with which versions; remove partial files."""
    for file in folder.glob(f"*{TEMPORARY}"):
        file.unlink()
    noted = read_json(folder / VERSIONS)
    noted.setdefault("continued", []).append({"trained": trained, **versions(threads)})
    write_json(folder / VERSIONS, noted)


def versions(threads: int) -> dict[str, Any]:
    """Return the versions that a run's numbers depend on, and the machine."""
    return {
        **package_versions(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "threads": threads,
        "code": code_version(),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of Python, the libraries and this project, installed or not."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "avalanche-mas": avalanche_mas.__version__,
    }


def _cpu() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
