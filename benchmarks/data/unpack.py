"""Unpacking untrusted archives."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from typing_extensions import Self

from benchmarks.data.disk import CHUNK, FetchError, sums, writing
from benchmarks.record.visible import visible

MOST_MEMBERS = 200_000
"""The most members accepted; no official archive has a quarter of this."""

MOST_TIMES, MOST_BYTES = 4, 256 << 20
"""An archive may unpack to this many times its size plus this many bytes; pictures hardly compress."""

_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,  # gzip's own
    OverflowError,  # tarfile's, for a size that no file has
    RuntimeError,  # zipfile's, for a password or an unknown compression
    ValueError,  # zipfile's, for a name in another encoding
)
"""What the standard library raises for an archive that it cannot read."""


@dataclass(frozen=True)
class Unpacked:
    """The SHA-256 of every file by its path in the archive, and the links, which were not created."""

    files: dict[str, str]
    links: tuple[str, ...]


@dataclass(frozen=True)
class _Member:
    name: str
    kind: str  # "file", "folder", "link" or "other"
    size: int  # as stated; `tarfile` and `zipfile` never give more
    stream: Callable[[], IO[bytes] | None]


def unpack(archive: Path, folder: Path) -> Unpacked:
    """Unpack a tar (plain or compressed) or zip archive into an empty folder.

    Only plain files and folders are created, all inside ``folder``; links are skipped and reported.
    `tarfile`'s own filter accepts more: it creates links that stay inside, strips the slash of
    absolute names, and ignores backslashes and drives.

    Raises:
        FetchError: a name leads out of the folder or has control characters, a member is a device, the
            content is too large, or the archive is damaged.
        DiskError: the disk is full or cannot be written.
    """
    files: dict[str, str] = {}
    links: list[str] = []
    left = MOST_TIMES * archive.stat().st_size + MOST_BYTES
    try:
        for number, member in enumerate(_members(archive)):
            if number >= MOST_MEMBERS:
                raise FetchError(f"{archive} has more than {MOST_MEMBERS:,} members")
            path = folder / _inside(member.name, archive)
            left -= member.size
            if member.size < 0 or left < 0:
                raise FetchError(f"{archive} unpacks to far more than its own size")
            if member.kind == "link":
                links.append(member.name)
            elif member.kind == "other":
                raise FetchError(f"{archive}: {member.name!r} is neither a file nor a folder")
            elif member.kind == "file":
                files[path.relative_to(folder).as_posix()] = _write(member, path)
            else:
                with writing(path):
                    path.mkdir(parents=True, exist_ok=True)
    except FetchError:
        raise
    except _DAMAGED as error:
        raise FetchError(
            f"{archive} is damaged or ends too early: {error}; remove it and fetch it again"
        ) from error
    return Unpacked(files, tuple(links))


def _members(archive: Path) -> Iterator[_Member]:
    with archive.open("rb") as beginning:
        is_zip = beginning.read(4) == b"PK\3\4"
    if is_zip:
        with zipfile.ZipFile(archive) as content:
            for entry in content.infolist():
                stream = partial(content.open, entry)
                yield _Member(entry.filename, _zip_kind(entry), entry.file_size, stream)
        return
    with tarfile.open(archive, tarinfo=_Header) as tar:
        for info in tar:
            links = "link" if info.issym() or info.islnk() else "other"
            kind = "file" if info.isfile() else "folder" if info.isdir() else links
            yield _Member(info.name, kind, info.size, partial(tar.extractfile, info))
        _read_to_the_end(tar, archive)


class _Header(tarfile.TarInfo):
    """A header of a tar; long names and other extensions, which are read at once, have a limit."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read a header."""
        found = super().frombuf(buf, encoding, errors)
        if not found.isreg() and not 0 <= found.size <= CHUNK:
            raise tarfile.ReadError(f"a header of {found.size} bytes")
        return found


def _read_to_the_end(tar: tarfile.TarFile, archive: Path) -> None:
    """Read to the end of the archive, where compressed ones have their checksum."""
    after = 0
    while tar.fileobj is not None and (rest := tar.fileobj.read(CHUNK)):
        after += len(rest)
        if after > MOST_BYTES:
            raise FetchError(f"{archive} does not end after its last member")


def _zip_kind(entry: zipfile.ZipInfo) -> str:
    unix = entry.external_attr >> 28  # the upper bits of the file's mode; 0 if made elsewhere
    kinds = {0: "file", 0o4: "folder", 0o10: "file", 0o12: "link"}
    return "folder" if entry.is_dir() else kinds.get(unix, "other")


def _inside(name: str, archive: Path) -> PurePosixPath:
    """Return the name as a path, checked to stay inside the folder and to be harmless in a terminal."""
    path = PurePosixPath(name)
    if name != visible(name) or set(name) & set("\n\t"):
        raise FetchError(
            f"{archive}: {name!r} has control characters in it; the archive is not used"
        )
    forbidden = {".."} & set(path.parts) or any(c in name for c in "\\\0") or ":" in name[1:2]
    if path.is_absolute() or forbidden:
        raise FetchError(f"{archive}: {name!r} leads out of the folder; the archive is not used")
    return path


def _write(member: _Member, path: Path) -> str:
    """Copy a member into a new file, and return its SHA-256."""
    stream = member.stream()
    if stream is None:
        raise TypeError(f"{member.name!r} is a {member.kind}, which has no content")
    with writing(path), stream:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            shutil.copyfileobj(stream, target, CHUNK)
    return sums(path, ["sha256"])["sha256"]
