"""Writing files completely or not at all, reading one of them, and reading their JSON."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

TEMPORARY = ".tmp"
"""Suffix of an incomplete file; one that remains was left by a process that was killed."""

_UNSYNCED = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)
"""Errors of Windows, which opens no folder, and of file systems that sync none."""

T = TypeVar("T")


def read_one(path: Path, read: Callable[[Path], T]) -> T:
    """Return what a function reads from a file, also if it opens the file several times.

    It is called again if another process replaces the file meanwhile: it may have read parts of both.
    """
    while True:
        with path.open("rb") as held:  # so that no other file gets its number
            try:
                found = read(path)
            except Exception:
                if os.path.samestat(os.fstat(held.fileno()), path.stat()):
                    raise
                continue
            if os.path.samestat(os.fstat(held.fileno()), path.stat()):
                return found


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary file next to ``path`` that replaces it if the block succeeds.

    The content is on the disk before the file has its name, so that no crash leaves half of it. The
    name is there when this returns, so that what the file supersedes may be removed. Who may read it is
    as for other new files; a symbolic link stays, and the file that it names is replaced.

    Raises:
        FileNotFoundError: the folder does not exist.
        IsADirectoryError: there is a folder of that name.
    """
    path = Path(path)
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: make the folder {path.parent} first")
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder; remove it")
    # A short name, as the system limits names to 255 bytes.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name[:40], suffix=TEMPORARY)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_names(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    umask = os.umask(0o077)  # it can only be read by setting it
    os.umask(umask)
    return umask


def _sync_names(folder: Path) -> None:
    try:
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in _UNSYNCED:
            raise


def parse_json(text: str) -> Any:
    """Return the value of a JSON text from a file.

    Raises:
        ValueError: it is not JSON, which has neither NaN nor infinity, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")
