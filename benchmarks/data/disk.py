"""Room on the disk, sums of files, and telling errors of the disk from those of the network."""

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
"""Bytes that stay free beyond what is needed, for everybody else on the machine."""


class FetchError(RuntimeError):
    """A data set could not be had; the message says why and what to do."""


class DiskError(FetchError):
    """The disk is full or cannot be written: no other address would help."""


def require_space(folder: Path, needed: int, what: str) -> None:
    """Check that a disk has room before anything is written.

    Raises:
        DiskError: fewer than ``needed`` bytes and a reserve are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + RESERVE:
        raise DiskError(
            f"{what} needs {human(needed)} and {human(RESERVE)} to spare, {human(free)} are free "
            f"in {folder}; free the rest, or choose another --root"
        )


@contextmanager
def writing(what: Path, kept: str = "") -> Iterator[None]:
    """Turn the errors of the file system into a `DiskError` that says what to do.

    Those without a number are not the system's, but of a damaged archive that is read meanwhile.

    Args:
        what: what is being written.
        kept: a sentence on what is left for the next time.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "the disk is full: free some room and run the command again"
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            advice = "it cannot be written to: choose a --root of your own"
        else:
            advice = "it could not be written"
        message = f"{what}: {advice} ({error.strerror or error})"
        raise DiskError(f"{message}; {kept}" if kept else message) from error


def sums(path: Path, names: Iterable[str] = ("md5", "sha256")) -> dict[str, str]:
    """Return a file's checksums, hexadecimal, by the name of their algorithm."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            for each in hashes.values():
                each.update(chunk)
    return {name: each.hexdigest() for name, each in hashes.items()}


def human(count: int) -> str:
    """Format a number of bytes for people, decimal as vendors and servers count."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
