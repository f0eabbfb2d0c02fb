"""One attempt to get a file from one address: the rest of it, if a part is there already."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable
from http.client import HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from benchmarks.data.disk import CHUNK, FetchError, require_space, writing

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as silent."""

MOST = 16 << 30
"""Bytes after which a file of unknown size is given up."""

Told = Callable[[int, int | None], None]
"""Is told the bytes that are there, and how many there will be if that is known."""


class BrokenOffError(FetchError):
    """Trying again may help: the part that came is kept."""


class RefusedError(FetchError):
    """This address will not give the file."""


def transfer(url: str, part: Path, size: int | None, told: Told) -> None:
    """Get a file, or what is missing of it, into ``part``.

    Args:
        url: the address.
        part: what an earlier attempt left, if it is there; it grows.
        size: the file's published size in bytes, if known.
        told: is told of every step.

    Raises:
        BrokenOffError: the connection failed, or the server asks to come back.
        RefusedError: the server has no such file, or something of another size.
        DiskError: there is no room, or the part cannot be written.
    """
    have = part.stat().st_size if part.exists() else 0
    with _request(url, have, part) as response:
        start = _start(response, have)
        total = _total(response, start)
        _examine(response, total, size)
        require_space(part.parent, (total or size or 0) - start, part.stem)
        kept = "what has come is kept, and the rest comes the next time"
        with writing(part, kept), part.open("ab" if start else "wb") as stream:
            got = _copy(response, stream, start, size, lambda now: told(now, size or total))
    expected = size if size is not None else total
    if expected is not None and got < expected:
        raise BrokenOffError(f"it broke off at {got:,} of {expected:,} bytes")


def _request(url: str, have: int, part: Path) -> HTTPResponse:
    headers = {"User-Agent": "avalanche-mas", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        error.close()
        if error.code == 416 and have:  # there is no such range: the part is of something else
            part.unlink()
            raise BrokenOffError(
                f"the server has no more than {have:,} bytes, starting over"
            ) from error
        kind = BrokenOffError if error.code in (408, 429) or error.code >= 500 else RefusedError
        raise kind(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, socket.gaierror):
            raise RefusedError(f"no such server, or no connection: {reason}") from error
        raise BrokenOffError(f"no answer: {reason or type(error).__name__}") from error
    return response


def _start(response: HTTPResponse, have: int) -> int:
    """Return where what the server sends begins: at ``have``, or at 0 if it knows no ranges."""
    if response.status != 206:
        return 0
    told = response.headers.get("Content-Range", "")
    place = re.match(r"bytes (\d+)-", told)
    if not have or place is None or int(place[1]) != have:
        raise RefusedError(
            f"asked for the bytes from {have:,}, the server sends {told or 'others'}"
        )
    return have


def _total(response: HTTPResponse, start: int) -> int | None:
    """Return the size of the whole file as the server announces it."""
    length = response.headers.get("Content-Length", "")
    return start + int(length) if length.isdigit() else None


def _examine(response: HTTPResponse, total: int | None, size: int | None) -> None:
    if response.headers.get_content_type() == "text/html":
        raise RefusedError("the server sends a web page, not the file (a login or a notice?)")
    if size is not None and total is not None and total != size:
        raise RefusedError(f"the server announces {total:,} bytes, the file has {size:,}")


def _copy(
    response: HTTPResponse,
    stream: BinaryIO,
    got: int,
    size: int | None,
    told: Callable[[int], None],
) -> int:
    """Append what the server sends; the errors of the file system are left to the caller."""
    limit = size if size is not None else MOST
    told(got)
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenOffError(f"it broke off at {got:,} bytes: {error}") from error
        if not chunk:
            return got
        got += len(chunk)
        if got > limit:
            raise RefusedError(f"the server sends more than the file's {limit:,} bytes")
        stream.write(chunk)
        told(got)
