"""What a command line names by import path, such as `my_module:METHOD`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any


def is_path(text: str) -> bool:
    """Return whether a text has the form `package.module:name`."""
    module, colon, name = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in f"{module}.{name}".split("."))


def importable(folder: Path) -> None:
    """Make the modules in a folder importable, after those that are importable already."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def imported(option: str, path: str) -> Any:
    """Return what an import path names; modules in the current folder are importable.

    Raises:
        ValueError: There is no such module, or nothing of that name in it.
    """
    importable(Path.cwd())
    try:
        return resolve_name(path)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{option} {path}: {error}; give package.module:name, of a module that is installed or in "
            f"the current folder, {Path.cwd()}"
        ) from error


def function(option: str, path: str) -> Callable[[], Any]:
    """Return the function at an import path.

    Raises:
        ValueError: There is no such function.
    """
    found = imported(option, path)
    if not callable(found):
        raise ValueError(
            f"{option} {path}: it is a {type(found).__name__}, not a function; give one that can "
            "be called without arguments"
        )
    made: Callable[[], Any] = found
    return made


def source_digest(path: str) -> str | None:
    """Return 16 hex digits that identify the file of the module in an import path, if it has one."""
    file = import_module(path.partition(":")[0]).__file__
    return None if file is None else sha256(Path(file).read_bytes()).hexdigest()[:16]
