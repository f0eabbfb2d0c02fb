"""One file from addresses that may break off, lie, or send something else."""

import errno
import os
import re
import socket
import threading
from pathlib import Path
from urllib.error import URLError

import pytest

from benchmarks.data import disk, download, transfer
from benchmarks.data.disk import DiskError, FetchError
from benchmarks.data.sources import Source
from tests.benchmarks.data.conftest import stated
from tests.benchmarks.data.server import fail, redirect, send

CONTENT = os.urandom(300_000)
GARBAGE = os.urandom(300_000)
NOT_STATED = Source(file="f", place="p/f")


@pytest.fixture
def get(tmp_path):
    """Download from addresses; give the source's file, where it came from and what was said."""

    def run(*urls, size=True):
        source = stated(NOT_STATED, CONTENT, *urls)
        if not size:
            source = Source(file="f", place="p/f", urls=urls, md5=source.md5)
        said = []
        try:
            run.url = download.download(source, tmp_path / "f", said.append)
        finally:
            run.said = "\n".join(said)
        return (tmp_path / "f").read_bytes()

    run.part = tmp_path / "f.part"
    return run


def left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize("size", [True, False])
def test_a_file_comes_whole(get, server, tmp_path, size):
    url = server.give("/f", send(CONTENT))
    assert get(url, size=size) == CONTENT
    assert get.url == url
    assert left(tmp_path) == ["f"]
    assert server.asked == [("/f", None)]


@pytest.mark.parametrize("size", [True, False])
def test_what_breaks_off_is_resumed(get, server, size):
    url = server.give(
        "/f", send(CONTENT, until=100_000), send(CONTENT, until=250_000), send(CONTENT)
    )
    assert get(url, size=size) == CONTENT
    assert server.asked == [("/f", None), ("/f", "bytes=100000-"), ("/f", "bytes=250000-")]
    assert "broke off at 100,000 of 300,000 bytes; trying again" in get.said


def test_an_earlier_part_is_resumed_even_elsewhere(get, server):
    dead = server.give("/dead", send(CONTENT, until=100_000), fail(404))
    assert get(dead, server.give("/f", send(CONTENT))) == CONTENT
    assert server.asked[-1] == ("/f", "bytes=100000-")


@pytest.mark.parametrize("size", [True, False])
def test_a_part_that_is_the_whole_file_needs_no_server(get, server, size):
    get.part.write_bytes(CONTENT)
    assert get(server.give("/f", fail(500)), size=size) == CONTENT
    assert server.asked == []


def test_a_server_without_ranges_starts_over(get, server):
    url = server.give("/f", send(CONTENT, until=100_000), send(CONTENT, ranges=False))
    assert get(url) == CONTENT
    assert len(server.asked) == 2


def test_a_server_that_sends_another_part_is_not_believed(get, server):
    get.part.write_bytes(CONTENT[:1000])
    lying = send(
        CONTENT[2000:],
        status=206,
        ranges=False,
        length=-1,
        headers=(("Content-Range", "bytes 2000-299999/300000"),),
    )
    with pytest.raises(FetchError, match="from 1,000, but the server sends bytes 2000-"):
        get(server.give("/f", lying))
    assert get(server.give("/f", send(CONTENT))) == CONTENT


@pytest.mark.parametrize(
    "older",
    [GARBAGE[:1000], GARBAGE, GARBAGE + b"more"],
    ids=["shorter", "as-long", "longer"],
)
@pytest.mark.parametrize("size", [True, False])
def test_a_part_of_something_else_does_no_harm(get, server, older, size):
    get.part.write_bytes(older)
    assert get(server.give("/f", send(CONTENT)), size=size) == CONTENT


def test_garbage_leads_to_the_next_address(get, server, tmp_path):
    bad, good = server.give("/bad", send(GARBAGE)), server.give("/good", send(CONTENT))
    assert get(bad, good) == CONTENT
    assert get.url == good
    assert re.search(f"{bad}: it sent a different file: .*; trying the next address", get.said)
    assert left(tmp_path) == ["f"]


def test_garbage_everywhere_names_every_address(get, server, tmp_path):
    urls = [server.give(path, send(GARBAGE)) for path in ("/a", "/b")]
    with pytest.raises(FetchError) as caught:
        get(*urls)
    for url in urls:
        assert re.search(f"{url}: .* MD5 [0-9a-f]{{32}}, published is", str(caught.value))
    assert left(tmp_path) == []


def test_only_the_sha256_differs(server, tmp_path):
    source = Source("f", "p", (server.give("/f", send(GARBAGE)),), sha256="0" * 64)
    with pytest.raises(FetchError, match=r"SHA256 .* published is 0000"):
        download.download(source, tmp_path / "f", print)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (fail(404), "404 Not Found"),
        (fail(403), "403 Forbidden"),
        (send(CONTENT, length=400_000), "announces 400,000 bytes, but the file has 300,000"),
        (send(CONTENT, length=10), "announces 10 bytes, but the file has 300,000"),
        (send(CONTENT + b"x", length=-1), "sends more than the file's 300,000 bytes"),
        (send(b"log in", headers=(("Content-Type", "text/html"),)), "a web page, not the file"),
    ],
)
def test_what_is_refused_at_once(get, server, answer, told):
    url = server.give("/f", answer)
    with pytest.raises(FetchError) as caught:
        get(url)
    assert f"{url}: " in str(caught.value)
    assert told in str(caught.value)
    assert len(server.asked) == 1
    assert get(url, server.give("/g", send(CONTENT))) == CONTENT


def test_a_server_that_lies_about_an_unknown_size(get, server):
    """Too large a length is never reached; too small a one gives another file."""
    assert get(server.give("/f", send(CONTENT, length=400_000)), size=False) == CONTENT
    assert len(server.asked) == 1
    long = server.give("/long", send(GARBAGE, length=400_000, ranges=False))
    with pytest.raises(FetchError, match="broke off at 300,000 of 400,000 bytes"):
        get(long, size=False)
    assert get.part.read_bytes() == GARBAGE
    short = server.give("/short", send(CONTENT[:10]))
    with pytest.raises(FetchError, match="it sent a different file"):
        get(short, size=False)


def test_an_unknown_size_has_an_end(get, server, monkeypatch):
    monkeypatch.setattr(transfer, "MOST", 200_000)
    with pytest.raises(FetchError, match="sends more than the file's 200,000 bytes"):
        get(server.give("/f", send(CONTENT, length=-1)), size=False)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(get, server, status):
    assert get(server.give("/f", fail(status), send(CONTENT))) == CONTENT
    assert f"{status}" in get.said


def test_a_busy_server_is_not_asked_for_ever(get, server):
    with pytest.raises(FetchError, match="the server answers 503"):
        get(server.give("/f", fail(503)))
    assert len(server.asked) == 1 + len(download.PAUSES)


def test_redirects_are_followed_with_the_range(get, server):
    get.part.write_bytes(CONTENT[:1000])
    assert get(server.give("/f", redirect(server.give("/new", send(CONTENT))))) == CONTENT
    assert server.asked == [("/f", "bytes=1000-"), ("/new", "bytes=1000-")]


def test_endless_redirects_end(get, server):
    with pytest.raises(FetchError, match="302"):
        get(server.give("/f", redirect(f"{server.url}/f")))


def test_a_silent_server_is_left(get, server, monkeypatch):
    monkeypatch.setattr(transfer, "TIMEOUT", 0.1)
    monkeypatch.setattr(download, "PAUSES", ())
    gate = threading.Event()
    silent = server.give("/silent", lambda _: gate.wait(10) and None)

    def stalls(handler):
        send(CONTENT, until=100_000)(handler)
        handler.wfile.flush()
        gate.wait(10)

    try:
        assert get(silent, server.give("/stalls", stalls), server.give("/f", send(CONTENT)))
    finally:
        gate.set()
    assert f"{silent}: no answer: timed out" in get.said
    assert "/stalls: the connection broke off at 100,000 bytes: timed out" in get.said
    assert server.asked[-1] == ("/f", "bytes=100000-")


def test_chunks_that_break_off_are_resumed(get, server):
    def chunked(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n" % 50_000 + CONTENT[:50_000] + b"\r\n9\r\n")
        handler.wfile.write(CONTENT[50_000:50_002])

    assert get(server.give("/f", chunked, send(CONTENT))) == CONTENT
    assert server.asked[-1] == ("/f", "bytes=50002-")


def test_a_part_without_sums_is_not_taken_for_the_whole(server, tmp_path):
    (tmp_path / "f.part").write_bytes(CONTENT[:100])
    source = Source("f", "p", (server.give("/f", send(CONTENT)),))
    download.download(source, tmp_path / "f", print)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_no_connection_is_not_waited_for(get, monkeypatch):
    def unknown(*_, **__):
        raise URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(transfer, "urlopen", unknown)
    with pytest.raises(FetchError, match="the server was not found, or there is no network"):
        get("http://nowhere.invalid/f")
    assert "trying again" not in get.said


def test_nobody_listens(get):
    with pytest.raises(FetchError, match=r"no answer: .*refused"):
        get("http://127.0.0.1:9/f")


def test_no_room_is_told_before_anything_is_written(get, server, tmp_path, monkeypatch):
    usage = disk.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage._replace(free=disk.RESERVE + 9))
    with pytest.raises(
        DiskError, match=r"f needs 300.0 kB and 67.1 MB to spare, but .* only 67.1 MB free"
    ):
        get(server.give("/f", send(CONTENT)))
    assert left(tmp_path) == []


class FullDisk:
    """A file on a disk with room for so many bytes more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        if len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= len(data)
        return self.file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


def fill_disk(monkeypatch, pattern, room):
    opened = Path.open

    def limited(path, mode="r", *rest, **options):
        file = opened(path, mode, *rest, **options)
        return FullDisk(file, room) if mode in ("ab", "wb") and path.match(pattern) else file

    monkeypatch.setattr(Path, "open", limited)


def test_a_full_disk_keeps_what_has_come(get, server, monkeypatch):
    url = server.give("/f", send(CONTENT))
    with monkeypatch.context() as patched:
        fill_disk(patched, "*.part", 200_000)
        with pytest.raises(
            DiskError, match=r"f\.part: the disk is full: .* the partial download is kept"
        ):
            get(url, server.give("/other", send(CONTENT)))
    assert 0 < get.part.stat().st_size <= 200_000
    assert len(server.asked) == 1  # another address would not help
    assert get(url) == CONTENT
    assert server.asked[-1][1] is not None


def test_a_truly_full_device(get, server):
    get.part.symlink_to("/dev/full")
    with pytest.raises(DiskError, match="the disk is full"):
        get(server.give("/f", send(CONTENT)))
