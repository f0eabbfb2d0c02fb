"""A folder that one process at a time trains with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avalanche_mas.checkpoint.codec import CheckpointError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_held: dict[Path, int] = {}
"""The open lock files of this process, whose end opens the folders to others, however it comes."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes from training with a folder.

    A folder that cannot be written is not locked, as nothing can be saved in it.

    Raises:
        CheckpointError: Another process does so already.
    """
    path = folder.resolve() / "lock"
    # Closing a second file would end the hold of the first.
    if fcntl is not None and path not in _held:
        _hold(path)
    try:
        yield
    finally:
        file = _held.pop(path, None)
        if file is not None:
            os.close(file)


def _hold(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(file, 20).decode() or "of unknown number"
        os.close(file)
        raise CheckpointError(
            f"another process ({holder}) trains with {path.parent}; wait until it has ended, or give this "
            "run a folder of its own"
        ) from error
    except OSError:  # a file system without locks
        os.close(file)
        return
    os.truncate(file, 0)
    os.write(file, str(os.getpid()).encode())
    _held[path] = file
