"""Downloading a published file from the first address that has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from benchmarks.data.disk import FetchError, sums, writing
from benchmarks.data.sources import Source
from benchmarks.data.transfer import BrokenOffError, RefusedError, transfer

PAUSES = (1.0, 2.0, 4.0)
"""Seconds between attempts at one address; there is one more attempt than pauses."""

Say = Callable[[str], None]
"""Shows a line to the waiting user."""


class UnavailableError(FetchError):
    """A file that no address has."""


def download(source: Source, target: Path, say: Say) -> str:
    """Download a file and return its address; `target` appears complete and checked, or not at all.

    A partial download stays in ``target`` with ``.part`` added, and the next call resumes it.

    Raises:
        UnavailableError: no address had the file; the message has a line for each.
    """
    part = target.with_name(f"{target.name}.part")
    failures: list[str] = []
    for url in source.urls:
        try:
            _from_one(source, url, part, say)
        except (BrokenOffError, RefusedError) as error:
            failures.append(f"{url}: {error}")
            if url != source.urls[-1]:
                say(f"  {failures[-1]}; trying the next address")
            continue
        with writing(target):
            part.replace(target)
        return url
    lines = "\n".join(f"  {failure}" for failure in failures)
    if part.exists():
        lines += f"\n  the partial download is kept in {part}; the next attempt resumes it"
    raise UnavailableError(f"{source.file} could not be downloaded:\n{lines}")


def _from_one(source: Source, url: str, part: Path, say: Say) -> None:
    """Complete ``part`` from one address."""
    resumed = part.exists()
    _attempts(source, url, part, say)
    problem = mismatch(part, source)
    if problem and resumed:  # the earlier part may be the cause
        say(f"  {problem}; starting over")
        part.unlink()
        _attempts(source, url, part, say)
        problem = mismatch(part, source)
    if problem:
        part.unlink()
        raise RefusedError(f"it sent a different file: {problem}")


def _attempts(source: Source, url: str, part: Path, say: Say) -> None:
    if _complete(part, source):
        return
    with tqdm(desc=source.file, unit="B", unit_scale=True, disable=None, leave=False) as bar:

        def show(got: int, total: int | None) -> None:
            bar.total = total
            bar.update(got - bar.n)

        for pause in (*PAUSES, None):
            try:
                transfer(url, part, source.size, show)
                return
            except BrokenOffError as problem:
                if _complete(part, source):
                    return
                if pause is None:
                    raise
                say(f"  {url}: {problem}; trying again")
            time.sleep(pause)


def _complete(part: Path, source: Source) -> bool:
    """Return whether the checksums show that the part is complete, whatever the server says."""
    return bool(source.sums) and part.exists() and not mismatch(part, source)


def mismatch(path: Path, source: Source) -> str:
    """Return how a file differs from the published one, or an empty string."""
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        return f"{path} has {size:,} bytes, {source.size:,} were published"
    found = sums(path, source.sums)
    for name, published in source.sums.items():
        if found[name] != published:
            return f"{path} has {name.upper()} {found[name]}, published is {published}"
    return ""
