"""A lock for one process at a time, which the system releases when its owner ends."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from avalanche_mas.files import parse_json

PATIENCE = 0.2
"""Seconds between attempts at a lock that another process holds."""


class InUseError(OSError):
    """The error that another process holds a lock; the message names it and says what to do."""


@contextmanager
def locked(
    path: Path, say: Callable[[str], None] = lambda _: None, patience: float = math.inf
) -> Iterator[None]:
    """Hold a lock file; while another process holds it, name that process and wait.

    `owner_file` names the holder. The lock itself is the system's, so an owner that was killed leaves
    only files behind, which the next one takes over with a note. The system of an NFS server holds
    the locks of all machines; those of a machine that died it gives up after a minute or two.

    Raises:
        InUseError: another process still holds it after `patience` seconds.
        OSError: the files cannot be created.
    """
    lock, owner = FileLock(path), owner_file(path)
    _acquire(lock, owner, say, time.monotonic() + patience)
    try:
        if before := _who(owner):
            say(f"{path} was left behind by {before}, which has ended; taking over")
        owner.write_text(_me(), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # left behind they do no harm; Windows removes no open file
            owner.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        lock.release()


def check_free(path: Path) -> None:
    """Check that no other process holds a lock.

    Raises:
        InUseError: One does.
    """
    if path.exists():
        with locked(path, patience=0):
            pass


def owner_file(path: Path) -> Path:
    """Return the file that names a lock's holder; on Windows a locked file cannot be read."""
    return path.with_suffix(".owner")


def _acquire(lock: FileLock, owner: Path, say: Callable[[str], None], end: float) -> None:
    said = False
    while not lock.is_locked:
        with suppress(Timeout):
            lock.acquire(timeout=PATIENCE, poll_interval=PATIENCE / 4)
            return
        who = _who(owner)  # empty if it has only just been locked
        if time.monotonic() >= end:
            raise InUseError(
                f"{lock.lock_file} is held by {who or 'another process'}; wait until that has ended, "
                "or stop it"
            )
        if who and not said:
            say(f"waiting for {who}, which holds {lock.lock_file}")
            said = True


def _me() -> str:
    since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})


def _who(owner: Path) -> str:
    """Return the owner that a file names, or an empty string."""
    try:
        text = owner.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    try:
        held = parse_json(text)
        return f"process {held['pid']} on {held['host']} (since {held['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process" if text else ""
