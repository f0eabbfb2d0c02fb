"""Disk space, checksums, and telling disk errors from network errors."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 1 << 20
"""Bytes read at a time."""

RESERVE = 64 << 20
"""Bytes to leave free for everyone else on the machine."""


class FetchError(RuntimeError):
    """A data set that could not be fetched; the message says why and what to do."""


class DiskError(FetchError):
    """A full or read-only disk, for which no other address would help."""


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise `DiskError` unless that many bytes and a reserve are free."""
    free = shutil.disk_usage(folder).free
    if free < needed + RESERVE:
        raise DiskError(
            f"{what} needs {human(needed)} and {human(RESERVE)} to spare, but {folder} has only "
            f"{human(free)} free; free some space, or choose another --root"
        )


@contextmanager
def writing(what: Path, kept: str = "") -> Iterator[None]:
    """Turn file system errors into a `DiskError` that says what to do.

    An OSError without a number comes from a damaged archive being read, and passes unchanged.

    `kept` is a sentence on what remains for the next attempt.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "the disk is full: free some space and run the command again"
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            advice = "it cannot be written to: choose a --root of your own"
        else:
            advice = "it could not be written"
        message = f"{what}: {advice} ({error.strerror or error})"
        raise DiskError(f"{message}; {kept}" if kept else message) from error


def sums(path: Path, names: Iterable[str] = ("md5", "sha256")) -> dict[str, str]:
    """Return a file's hexadecimal checksums by algorithm."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            for each in hashes.values():
                each.update(chunk)
    return {name: each.hexdigest() for name, each in hashes.items()}


def human(count: int) -> str:
    """Format a number of bytes in decimal units, as vendors and servers count."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
