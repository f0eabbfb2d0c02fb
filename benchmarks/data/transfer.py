"""One attempt to download a file from one address, resuming a partial download."""

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
"""Seconds without a byte after which a connection is given up."""

MOST = 16 << 30
"""The most bytes accepted of a file of unknown size."""

Show = Callable[[int, int | None], None]
"""Receives the bytes so far and, if known, the total."""


class BrokenOffError(FetchError):
    """A broken connection: another attempt may help, and the part that arrived is kept."""


class RefusedError(FetchError):
    """An address that does not provide the file."""


def transfer(url: str, part: Path, size: int | None, show: Show) -> None:
    """Download a file, or its missing rest, into ``part``.

    What an earlier attempt left in `part` is resumed; `show` receives the progress.

    Raises:
        BrokenOffError: the connection failed, or the server asks to try later.
        RefusedError: the server has no such file, or one of another size.
        DiskError: the disk is full, or the part cannot be written.
    """
    have = part.stat().st_size if part.exists() else 0
    with _request(url, have, part) as response:
        start = _start(response, have)
        total = _total(response, start)
        _examine(response, total, size)
        require_space(part.parent, (total or size or 0) - start, part.stem)
        kept = "the partial download is kept, and the next attempt resumes it"
        with writing(part, kept), part.open("ab" if start else "wb") as stream:
            got = _copy(response, stream, start, size, lambda now: show(now, size or total))
    expected = size if size is not None else total
    if expected is not None and got < expected:
        raise BrokenOffError(f"the connection broke off at {got:,} of {expected:,} bytes")


def _request(url: str, have: int, part: Path) -> HTTPResponse:
    headers = {"User-Agent": "avalanche-mas", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        # The addresses are those of `sources.py`, and urllib follows none from there to a file.
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=TIMEOUT)  # noqa: S310
    except HTTPError as error:
        error.close()
        if error.code == 416 and have:  # no such range: the part is of another file
            part.unlink()
            raise BrokenOffError(f"the server has at most {have:,} bytes; starting over") from error
        kind = BrokenOffError if error.code in (408, 429) or error.code >= 500 else RefusedError
        raise kind(f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, socket.gaierror):
            raise RefusedError(
                f"the server was not found, or there is no network: {reason}"
            ) from error
        raise BrokenOffError(f"no answer: {reason or type(error).__name__}") from error
    return response


def _start(response: HTTPResponse, have: int) -> int:
    """Return the offset of the response: ``have``, or 0 if the server does not support ranges."""
    if response.status != 206:
        return 0
    answered = response.headers.get("Content-Range", "")
    place = re.match(r"bytes (\d+)-", answered)
    if not have or place is None or int(place[1]) != have:
        raise RefusedError(
            f"asked for the bytes from {have:,}, but the server sends {answered or 'others'}"
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
        raise RefusedError(f"the server announces {total:,} bytes, but the file has {size:,}")


def _copy(
    response: HTTPResponse,
    stream: BinaryIO,
    got: int,
    size: int | None,
    show: Callable[[int], None],
) -> int:
    """Append what the server sends and return the total; the caller handles file system errors."""
    limit = size if size is not None else MOST
    show(got)
    while True:
        try:
            chunk = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenOffError(f"the connection broke off at {got:,} bytes: {error}") from error
        if not chunk:
            return got
        got += len(chunk)
        if got > limit:
            raise RefusedError(f"the server sends more than the file's {limit:,} bytes")
        stream.write(chunk)
        show(got)
