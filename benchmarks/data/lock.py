"""One process at a time: a lock that the system takes back when its owner ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from benchmarks.data.disk import writing
from benchmarks.data.download import Say

PATIENCE = 0.2
"""Seconds between two looks at a lock that somebody else holds."""


@contextmanager
def locked(path: Path, say: Say) -> Iterator[None]:
    """Hold a lock file; while another process holds it, say who and wait.

    The file tells who holds it. The lock itself is the system's, so an owner that was killed leaves
    only the file behind, which is taken over and said.

    Raises:
        DiskError: the file cannot be made.
    """
    stream = _take(path, say)
    try:
        owner = stream.read()
        if owner:
            say(f"  {path} was left behind by {_who(owner)}, which has ended; taking over")
        with writing(path):
            stream.truncate(0)
            stream.write(_me())
            stream.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        stream.close()


def _take(path: Path, say: Say) -> IO[str]:
    """Open the file and lock it; the file that is locked is the one that is there."""
    waiting = False
    while True:
        with writing(path):
            stream = path.open("a+", encoding="utf-8")
        if not _flock(stream, path):
            stream.seek(0)
            owner = stream.read()  # nothing yet, if it has only just been locked
            if owner and not waiting:
                say(f"  waiting for {_who(owner)}, which is at it ({path})")
                waiting = True
            stream.close()
            time.sleep(PATIENCE)
            continue
        if _is_at(path, stream):
            stream.seek(0)
            return stream
        stream.close()  # its last owner removed it in between


def _is_at(path: Path, stream: IO[str]) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:  # its owner may remove it at any time
        return False
    return os.path.samestat(there, os.fstat(stream.fileno()))


def _flock(stream: IO[str], path: Path) -> bool:
    with writing(path):
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _me() -> str:
    since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since})


def _who(owner: str) -> str:
    try:
        told = json.loads(owner)
        return f"process {told['pid']} on {told['host']} (since {told['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
