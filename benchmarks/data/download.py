"""A published file, from the first address that really gives it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from benchmarks.data.disk import FetchError, sums, writing
from benchmarks.data.sources import Source
from benchmarks.data.transfer import BrokenOffError, RefusedError, transfer

PAUSES = (1.0, 2.0, 4.0)
"""Seconds between the attempts at one address; there is one attempt more than pauses."""

Say = Callable[[str], None]
"""Takes a line for the person who is waiting."""


class UnavailableError(FetchError):
    """No address gives the file."""


def download(source: Source, target: Path, say: Say) -> str:
    """Get a file from one of its addresses; ``target`` appears whole and examined, or not at all.

    What has come stays in ``target`` with ``.part`` added, and the next call goes on from there.

    Returns:
        The address that it came from.

    Raises:
        UnavailableError: no address gave the file; the message has a line for each.
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
        lines += f"\n  what has come is kept in {part}; the next time goes on from there"
    raise UnavailableError(f"{source.file} could not be had:\n{lines}")


def _from_one(source: Source, url: str, part: Path, say: Say) -> None:
    """Complete ``part`` from one address."""
    resumed = part.exists()
    _attempts(source, url, part, say)
    problem = mismatch(part, source)
    if problem and resumed:  # the older part may be to blame
        say(f"  {problem}; starting over")
        part.unlink()
        _attempts(source, url, part, say)
        problem = mismatch(part, source)
    if problem:
        part.unlink()
        raise RefusedError(f"what came is another file: {problem}")


def _attempts(source: Source, url: str, part: Path, say: Say) -> None:
    if _complete(part, source):
        return
    with tqdm(desc=source.file, unit="B", unit_scale=True, disable=None, leave=False) as bar:

        def told(got: int, total: int | None) -> None:
            bar.total = total
            bar.update(got - bar.n)

        for pause in (*PAUSES, None):
            try:
                transfer(url, part, source.size, told)
                return
            except BrokenOffError as problem:
                if _complete(part, source):
                    return
                if pause is None:
                    raise
                say(f"  {url}: {problem}; trying again")
            time.sleep(pause)


def _complete(part: Path, source: Source) -> bool:
    """Return whether all of it has come, whatever the server says; only sums can tell."""
    return bool(source.sums) and part.exists() and not mismatch(part, source)


def mismatch(path: Path, source: Source) -> str:
    """Explain how a file differs from what was published; say nothing if it does not."""
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        return f"{path} has {size:,} bytes, {source.size:,} were published"
    found = sums(path, source.sums)
    for name, published in source.sums.items():
        if found[name] != published:
            return f"{path} has {name.upper()} {found[name]}, published is {published}"
    return ""
