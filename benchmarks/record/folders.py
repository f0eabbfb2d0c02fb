"""Run folders: whether one is finished, and how one is begun and continued; see `schema`."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import avalanche_mas
from avalanche_mas.files import TEMPORARY
from benchmarks.record.checks import check
from benchmarks.record.code_version import code_version
from benchmarks.record.files import read_json, write_json
from benchmarks.record.imported import source_digest
from benchmarks.record.recipe import completed
from benchmarks.record.schema import (
    CHECKPOINTS,
    CONFIG,
    LOG,
    RESULT,
    VERSIONS,
    Result,
)
from benchmarks.record.settings import Settings, differences

_PACKAGES = ("torch", "torchvision", "avalanche-lib", "numpy", "wandb")


def lock_of(folder: Path) -> Path:
    """Return the lock file of a run folder, which is beside it: the folder may be emptied."""
    return folder.with_name(f"{folder.name}.lock")


def folders_with(name: str, paths: Iterable[Path]) -> set[Path]:
    """Return the folders at or below the paths that hold a file of this name.

    Other processes may make and remove folders meanwhile.
    """
    walked = (folder for path in paths for folder in os.walk(path, onerror=_unless_gone))
    return {Path(folder) for folder, _, files in walked if name in files}


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, PermissionError)):
        raise error


def has_checkpoints(folder: Path) -> bool:
    """Return whether a run folder holds something to resume from."""
    return any((folder / CHECKPOINTS).glob("*.safetensors"))


def failed_early(folder: Path) -> bool:
    """Return whether a run failed before there was a result or anything to resume from."""
    failed = (folder / CONFIG).is_file() and (folder / LOG).is_file()
    return failed and not (folder / RESULT).exists() and not has_checkpoints(folder)


def check_writable(folder: Path, remedy: str = "choose another --output") -> None:
    """Check that a folder can be written, or made, without making it.

    Raises:
        OSError: It cannot; the message ends with the remedy.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise OSError(f"{there} cannot be written to ({error.strerror}); {remedy}") from error


def is_finished(
    folder: Path, settings: Settings, say: Callable[[str], None] = lambda _: None
) -> bool:
    """Return whether a run folder already holds this run's result.

    It does not if the result is damaged and there is a checkpoint to resume from; `say` gets why. What
    a run left that failed early may be of another configuration.

    Raises:
        ValueError: The folder holds another configuration, or something other than a run.
        OSError: The result is damaged, and there is no checkpoint.
    """
    nothing_whole = folder.is_dir() and all(
        file.name == LOG or file.suffix == TEMPORARY for file in folder.iterdir()
    )
    if nothing_whole or not folder.exists() or failed_early(folder):
        return False
    if not (folder / CONFIG).is_file():
        raise ValueError(
            f"{folder} exists and is not a run folder (it has no {CONFIG}); choose another --output"
        )
    refuse_another_run(folder, settings, planned=False)
    if not (folder / RESULT).exists():
        return False
    try:
        read_result(folder, settings.tasks)
    except ValueError as error:
        if not has_checkpoints(folder):
            raise OSError(
                f"{error}; there is no checkpoint to resume from: remove {folder}, and the same "
                "command does this run again"
            ) from error
        say(f"{error}; resumes from {folder / CHECKPOINTS}")
        return False
    return True


def unlike(folder: Path, settings: Settings, *, planned: bool) -> dict[str, tuple[Any, Any]]:
    """Return in which fields a folder's run is another one: the value there, and the one here.

    There are none if the folder holds no run, or one that failed early.

    Args:
        folder: The run folder.
        settings: The run that is to be there.
        planned: Whether weights and data have not been read yet, and the fields that depend on them
            do not count.

    Raises:
        ValueError: The folder's configuration is damaged.
    """
    if not (folder / CONFIG).is_file() or failed_early(folder):
        return {}
    return _differing(folder, settings, planned=planned)


def _differing(folder: Path, settings: Settings, *, planned: bool) -> dict[str, tuple[Any, Any]]:
    """Return what `unlike` does, also of a run that failed early."""
    try:
        old = completed(read_json(folder / CONFIG))
    except ValueError as error:
        raise ValueError(f"{error}; remove {folder}") from error
    new = settings.as_json()
    unknown = ("samples", "weights", *(() if settings.tasks else ("tasks",))) if planned else ()
    return {n: (old.get(n), new.get(n)) for n in differences(old, new) if n not in unknown}


def refuse_another_run(folder: Path, settings: Settings, *, planned: bool) -> None:
    """Refuse a folder that holds another run; see `unlike`.

    Raises:
        ValueError: It does.
    """
    for name, (there, here) in unlike(folder, settings, planned=planned).items():
        raise ValueError(
            f"{folder} holds a run with another configuration: {name} is {there!r} there, "
            f"{here!r} was asked for; choose another --output, or remove that folder"
        )


def read_result(folder: Path, tasks: Iterable[str]) -> Result:
    """Return the result of a run on these tasks.

    Raises:
        ValueError: The file is damaged: it cannot be read, or is no such result.
    """
    file, expected = folder / RESULT, list(tasks)
    content = read_json(file)
    try:
        check(content, Result, "it")
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error})") from error
    shape = [len(row) for row in content["accuracy"]]
    if content["tasks"] != expected or shape != [len(expected)] * len(expected):
        raise ValueError(
            f"{file} is damaged (it has tasks {content['tasks']} and rows of {shape} accuracies, for "
            f"the tasks {expected})"
        )
    return cast(Result, content)


def last_error(folder: Path) -> str | None:
    """Return the last line of what a run's failed attempts left, `None` if none has failed."""
    try:
        text = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None  # perhaps since a moment ago: the run was begun again
    return next(reversed(text.strip().splitlines()), None)


def stopped(folder: Path) -> bool:
    """Return whether the last attempt at a run ended because a number was not finite."""
    if (folder / RESULT).is_file():
        return False
    return (last_error(folder) or "").startswith(FloatingPointError.__name__)


def broke(folder: Path, settings: Settings) -> bool:
    """Return whether it was this planned run, and no other one, that `stopped` in a folder."""
    return stopped(folder) and not _differing(folder, settings, planned=True)


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
    write_json(folder / VERSIONS, _versions_of(settings, threads))


def continue_folder(folder: Path, settings: Settings, threads: int, trained: int) -> None:
    """Record in a run folder that the run continues, and with which versions.

    Remove partial files, and a damaged result.

    Raises:
        ValueError: The record of versions cannot be read.
    """
    try:
        noted = dict(read_json(folder / VERSIONS))
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{folder / VERSIONS} cannot be read ({error.__cause__ or error}); put a copy back, or "
            f"remove {folder}, and the same command does this run again"
        ) from error
    for file in (*folder.glob(f"*{TEMPORARY}"), folder / RESULT):
        file.unlink(missing_ok=True)
    noted.setdefault("continued", []).append(
        {"trained": trained, **_versions_of(settings, threads)}
    )
    write_json(folder / VERSIONS, noted)


def _versions_of(settings: Settings, threads: int) -> dict[str, Any]:
    """Return `versions`, and digests of what is the user's own, by import path."""
    return {**versions(threads), **{path: source_digest(path) for path in settings.imports}}


def distinct(recorded: Sequence[Any]) -> list[Any]:
    """Return the different ones of several records of versions, in order."""
    return [one for k, one in enumerate(recorded) if one not in recorded[:k]]


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
