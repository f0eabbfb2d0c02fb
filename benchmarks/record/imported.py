"""What a command line names by import path, such as `my_module:METHOD`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from traceback import extract_tb
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
        ValueError: There is no such module, or nothing of that name in it, or it cannot be loaded.
    """
    importable(Path.cwd())
    try:
        return resolve_name(path)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{option} {path}: {error}; give package.module:name, of a module that is installed or in "
            f"the current folder, {Path.cwd()}"
        ) from error
    except (ValueError, OSError) as error:
        raise _with_place(option, path, error) from error


def _with_place(option: str, path: str, error: Exception) -> ValueError:
    """Return an error of the user's code with its place, for one line on the terminal."""
    last = extract_tb(error.__traceback__)[-1]
    return ValueError(
        f"{option} {path}: {type(error).__name__}: {error} (raised in {last.filename}, line {last.lineno})"
    )


def function(option: str, path: str) -> Callable[[], Any]:
    """Return the function at an import path; errors of it that a command would not trace say where.

    Raises:
        ValueError: There is no such function.
    """
    found = imported(option, path)
    if not callable(found):
        raise ValueError(
            f"{option} {path}: it is a {type(found).__name__}, not a function; give one that can "
            "be called without arguments"
        )

    def called() -> Any:
        try:
            return found()
        except (ValueError, OSError) as error:
            raise _with_place(option, path, error) from error

    return called


def source_digest(path: str) -> str | None:
    """Return 16 hex digits that identify the file of the module in an import path, if it has one."""
    file = import_module(path.partition(":")[0]).__file__
    return None if file is None else sha256(Path(file).read_bytes()).hexdigest()[:16]
