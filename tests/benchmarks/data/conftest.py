"""A loopback server, short waits, and the eight data sets as tiny official archives."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.data import download, sources, transfer
from benchmarks.data.sources import SOURCES, Source
from benchmarks.record import lock
from tests.benchmarks.command_lines import data as main
from tests.benchmarks.data.server import Server, send, serving
from tests.streams.layouts import WRITERS, write


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(transfer, "TIMEOUT", 5.0)
    monkeypatch.setattr(lock, "PATIENCE", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def pack(folder: Path, archive: Path, member: str) -> None:
    """A folder as a compressed tar, under the name that it has in the official archive."""
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, member)


def stated(source: Source, content: bytes, *urls: str) -> Source:
    """The source with the facts of other content."""
    return replace(
        source,
        urls=urls,
        size=len(content),
        md5=hashlib.md5(content).hexdigest(),
        sha1=None,
        sha256=hashlib.sha256(content).hexdigest(),
    )


@pytest.fixture
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The published files, as small as can be, by name."""
    folder = tmp_path_factory.mktemp("official")
    write(folder / "root", *WRITERS)
    files: dict[str, bytes] = {}
    for task in SOURCES.values():
        for source in task:
            path = folder / "root" / source.place
            if source.member is not None:
                pack(path, folder / source.file, source.member)
                path = folder / source.file
            files[source.file] = path.read_bytes()
    return files


@pytest.fixture
def published(
    contents: dict[str, bytes], server: Server, monkeypatch: pytest.MonkeyPatch
) -> dict[str, bytes]:
    """The published files, served; those of cars are served nowhere, but for the devkit."""
    small = {
        task: tuple(
            stated(
                source,
                contents[source.file],
                *(
                    server.give(f"/{i}/{source.file}", send(contents[source.file]))
                    for i in range(min(2, len(source.urls)))
                ),
            )
            for source in every
        )
        for task, every in SOURCES.items()
    }
    monkeypatch.setattr(sources, "SOURCES", small)
    return contents


@pytest.fixture
def fetch(tmp_path, capsys):
    """Run the command on a root; give its status and what it printed."""

    def run(*arguments, root=tmp_path / "data"):
        status = main(["fetch", *arguments, "--root", str(root)])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def snapshot(root: Path) -> dict[str, bytes]:
    """Content of every file under a root."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
