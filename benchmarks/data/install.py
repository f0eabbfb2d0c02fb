"""Installing one published file: download or find, check, unpack, rename."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from textwrap import indent

from avalanche_mas.streams import Task
from benchmarks.data.disk import FetchError, require_space, sums, writing
from benchmarks.data.download import Say, UnavailableError, download, mismatch
from benchmarks.data.record import record_source
from benchmarks.data.sources import DOWNLOADS, Source
from benchmarks.data.unpack import unpack

UNPACKED = 1.1
"""Unpacked size of an archive relative to its own size; pictures hardly compress."""


class ByHandError(FetchError):
    """A file that no address has, so that it must be downloaded by hand."""


def needed_space(source: Source, root: Path) -> int:
    """Return the bytes still to be written for a source, if its size is known, or 0."""
    size = source.size or 0
    folder = root / DOWNLOADS
    there = [folder / source.file, folder / f"{source.file}.part"]
    have = max((path.stat().st_size for path in there if path.exists()), default=0)
    return max(0, size - have) + (round(UNPACKED * size) if source.member else 0)


def install(task: Task, source: Source, root: Path, keep: bool, say: Say) -> None:
    """Install a source; its place appears complete, or not at all.

    `keep` keeps a downloaded archive in `DOWNLOADS`; one that was found there always stays.

    Raises:
        ByHandError: the file must be downloaded by hand.
        FetchError: the file could not be fetched, or differs from the published one.
    """
    archive = root / DOWNLOADS / source.file
    found = archive.exists()
    url = _found(source, archive) if found else _downloaded(source, archive, say)
    size, found_sums = archive.stat().st_size, sums(archive)
    if source.member is None:
        files = {source.place: found_sums["sha256"]}
        _move(archive, root / source.place)
    else:
        require_space(archive.parent, round(UNPACKED * size), f"unpacking {source.file}")
        files = _unpacked(source, archive, root, say)
        if not keep and not found:
            archive.unlink()
    record_source(task, root, source, {"url": url, "size": size, **found_sums}, files)
    say(f"  {source.place}: installed")


def _found(source: Source, archive: Path) -> str:
    problem = mismatch(archive, source)
    if problem:
        raise FetchError(f"{problem}; move it away, or put the right file there")
    return "found in the folder of downloads"


def _downloaded(source: Source, archive: Path, say: Say) -> str:
    if not source.urls:
        raise ByHandError(by_hand(source, archive))
    try:
        return download(source, archive, say)
    except UnavailableError as error:
        if not source.by_hand:
            raise
        failures = indent(str(error), "    ")
        raise ByHandError(f"{by_hand(source, archive)}\n{failures}") from error


def by_hand(source: Source, archive: Path) -> str:
    """Return instructions, in lines, for downloading the file by hand."""
    facts = [f"{source.size:,} bytes"] if source.size else []
    facts += [f"{name.upper()} {value}" for name, value in source.sums.items()]
    lines = [source.file, *facts, f"put it at {archive}"]
    if source.member is not None:
        place = archive.parents[1] / source.place
        lines.append(f"or unpack it, and put the folder {Path(source.member).name} at {place}")
    if source.by_hand:
        lines.append(source.by_hand)
    return "\n    ".join(lines)


def _unpacked(source: Source, archive: Path, root: Path, say: Say) -> dict[str, str]:
    """Unpack next to the archive, then rename; return every file's SHA-256 by its path under the root."""
    beside = archive.with_name(f"{archive.name}.unpacking")
    say(f"  unpacking {source.file}")
    _remove(beside)
    try:
        with writing(beside):
            beside.mkdir()
        content = unpack(archive, beside)
        member = _member(source, beside, archive)
        inside = member.relative_to(beside).as_posix() + "/"
        for link in content.links:
            say(f"  {source.file}: the link {link!r} is left out")
        kept = {name: digest for name, digest in content.files.items() if name.startswith(inside)}
        if len(kept) < len(content.files):
            say(f"  {len(content.files) - len(kept)} files outside {inside} are left out")
        _move(member, root / source.place)
    finally:
        _remove(beside)
    return {f"{source.place}/{name[len(inside) :]}": digest for name, digest in kept.items()}


def _member(source: Source, beside: Path, archive: Path) -> Path:
    """Return the wanted folder, which may be inside another one."""
    places = [beside / str(source.member), *sorted(beside.glob(f"*/{source.member}"))]
    for place in places:
        if place.is_dir():
            return place
    there = ", ".join(sorted(path.name for path in beside.iterdir())) or "nothing"
    raise FetchError(f"{archive} has no folder {source.member}, but {there}")


def _move(thing: Path, place: Path) -> None:
    if place.exists():
        raise FetchError(f"{place} is there already; it is left as it is")
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            thing.replace(place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _move_across(thing, place)


def _move_across(thing: Path, place: Path) -> None:
    """Move to another disk: copy next to the place, then rename."""
    beside = place.with_name(f"{place.name}.copying")
    _remove(beside)
    try:
        _copy(thing, beside)
        beside.replace(place)
    finally:
        _remove(beside)
    _remove(thing)


def _copy(thing: Path, place: Path) -> None:
    """Copy as `shutil.copytree`, which goes on when the disk is full, does not."""
    if not thing.is_dir():
        shutil.copy2(thing, place)
        return
    place.mkdir()
    for inside in thing.iterdir():
        _copy(inside, place / inside.name)


def _remove(thing: Path) -> None:
    if thing.is_dir():
        shutil.rmtree(thing)
    else:
        thing.unlink(missing_ok=True)
