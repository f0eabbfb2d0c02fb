"""`data fetch`: from published files to what the readers read."""

import errno
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from avalanche_mas.streams import TASKS
from avalanche_mas.streams.registry import read_lists
from benchmarks.data import disk, install, lock, sources
from benchmarks.data.command import main
from benchmarks.data.lock import locked
from benchmarks.data.sources import SOURCES
from tests.data.conftest import pack, stated
from tests.data.server import fail, send
from tests.data.test_download import fill_disk

pytestmark = pytest.mark.usefixtures("published")

FETCHED = [name for name in TASKS if name != "cars"]


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


def change(monkeypatch, task, **changes):
    """Change the sources of a task, all of them or by file."""
    every = tuple(
        replace(s, **{k: v[s.file] if isinstance(v, dict) else v for k, v in changes.items()})
        for s in sources.SOURCES[task]
    )
    monkeypatch.setattr(sources, "SOURCES", {**sources.SOURCES, task: every})


def snapshot(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_everything_that_can_be_had(fetch, root, server):
    status, out = fetch()
    assert status == 1  # cars
    for name in FETCHED:
        assert len(read_lists(TASKS[name], root).classes) >= 3
        assert f"{name}: fetched: " in out
    assert [path.name for path in (root / "downloads").iterdir()] == []
    summary = out.split("In short:")[1]
    assert [line.split()[0] for line in summary.splitlines() if line] == list(TASKS)
    assert "cars      NEEDS YOU" in summary
    before, asked = snapshot(root), len(server.asked)
    assert fetch(*FETCHED)[0] == 0
    assert snapshot(root) == before
    assert len(server.asked) == asked


def test_what_is_there_already_is_left_alone(fetch, server):
    assert fetch("birds")[0] == 0
    status, out = fetch("birds")
    assert status == 0
    assert "birds: already there, nothing to do: 3 classes, 12 train" in out
    assert len(server.asked) == 1
    assert "In short" not in out


def test_the_record_tells_what_came_from_where(published, fetch, root, server):
    fetch("flowers")
    record = json.loads((root / "flowers-102" / "fetched.json").read_text())
    assert [entry["file"] for entry in record] == ["102flowers.tgz", "imagelabels.mat", "setid.mat"]
    assert record[0]["url"] == f"{server.url}/0/102flowers.tgz"
    assert record[0]["sha256"] == sources.SOURCES["flowers"][0].sha256
    assert record[0]["size"] == len(published["102flowers.tgz"])
    check = ["sha256sum", "--check", "--strict", "--quiet", "flowers-102/fetched.sha256"]
    assert subprocess.run(check, cwd=root, check=False).returncode == 0
    lines = (root / "flowers-102" / "fetched.sha256").read_text().splitlines()
    assert len(lines) == 21 + 2


def test_a_sum_that_nobody_states_is_recorded(fetch, root, monkeypatch):
    change(monkeypatch, "svhn", md5=None, sha256=None, size=None)
    assert fetch("svhn")[0] == 0
    [entry, _] = json.loads((root / "svhn" / "fetched.json").read_text())
    assert len(entry["sha256"]) == 64
    assert entry["published_sums"] == []


def test_cars_say_what_to_put_where(fetch, root, contents):
    status, out = fetch("cars")
    assert status == 1
    assert (root / "stanford_cars" / "devkit").is_dir()  # this one can be had
    for source in sources.SOURCES["cars"][1:]:
        assert f"{source.file} ({source.size:,} bytes, MD5 {source.md5}" in out
        assert f"as {root / 'downloads' / source.file}" in out
        assert source.by_hand in out
    assert f"unpacked as {root / 'stanford_cars' / 'cars_train'}" in out
    for source in sources.SOURCES["cars"][1:]:
        (root / "downloads" / source.file).write_bytes(contents[source.file])
    status, out = fetch("cars")
    assert status == 0
    assert "cars: fetched: 3 classes" in out
    assert sorted(p.name for p in (root / "downloads").iterdir()) == [
        "cars_test.tgz",  # a person brought them, so they stay
        "cars_train.tgz",
    ]


def test_another_file_brought_by_hand_is_refused_and_kept(fetch, root):
    (root / "downloads").mkdir(parents=True)
    brought = root / "downloads" / "cars_train.tgz"
    brought.write_bytes(b"something else")
    status, out = fetch("cars")
    assert status == 1
    assert f"FAILED: {brought} has 14 bytes" in out
    assert "NEEDS YOU" in out  # the others
    assert brought.read_bytes() == b"something else"


def test_a_source_that_is_gone_asks_for_help_and_the_rest_goes_on(fetch, server, root):
    for path in ("/0/indoorCVPR_09.tar", "/1/indoorCVPR_09.tar"):
        server.give(path, fail(404))
    status, out = fetch("scenes", "svhn")
    assert status == 1
    assert "404 Not Found" in out
    assert "scenes: NEEDS YOU" in out
    assert SOURCES["scenes"][0].by_hand in out
    assert (root / "indoorCVPR_09" / "TrainImages.txt").is_file()
    assert "svhn: fetched" in out


def test_archives_are_kept_if_asked_for(published, fetch, root):
    assert fetch("birds", "--keep-archives")[0] == 0
    archive = root / "downloads" / "CUB_200_2011.tgz"
    assert archive.read_bytes() == published["CUB_200_2011.tgz"]


def test_a_broken_download_goes_on_the_next_time(published, fetch, server, root):
    content = published["CUB_200_2011.tgz"]
    half = len(content) // 2
    for i in range(2):
        server.give(f"/{i}/CUB_200_2011.tgz", send(content, until=half), fail(503))
    status, out = fetch("birds")
    assert status == 1
    part = root / "downloads" / "CUB_200_2011.tgz.part"
    assert f"what has come is kept in {part}" in out
    assert part.read_bytes() == content[:half]
    server.give("/0/CUB_200_2011.tgz", send(content))
    assert fetch("birds")[0] == 0
    assert server.asked[-1] == ("/0/CUB_200_2011.tgz", f"bytes={half}-")


def bad_archive(tmp_path, name, kind=tarfile.REGTYPE):
    path = tmp_path / "bad.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for each in ("CUB_200_2011/images.txt", name):
            info = tarfile.TarInfo(each)
            info.type = kind if each == name else tarfile.REGTYPE
            info.size = 4 if info.isreg() else 0
            tar.addfile(info, io.BytesIO(b"evil"))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("../../evil", tarfile.REGTYPE, "leads out of the folder"),
        ("/evil", tarfile.REGTYPE, "leads out of the folder"),
        ("CUB_200_2011/dev", tarfile.CHRTYPE, "neither a file nor a folder"),
    ],
)
def test_a_bad_archive_leaves_nothing_behind(
    fetch, server, tmp_path, monkeypatch, name, kind, told
):
    content = bad_archive(tmp_path, name, kind)
    [source] = sources.SOURCES["birds"]
    source = stated(source, content, server.give("/bad", send(content)))
    monkeypatch.setattr(sources, "SOURCES", {**sources.SOURCES, "birds": (source,)})
    status, out = fetch("birds")
    assert status == 1
    assert told in out
    assert sorted(snapshot(tmp_path)) == ["bad.tgz", "data/downloads/CUB_200_2011.tgz"]


def test_links_are_told(published, fetch, server, root, tmp_path, monkeypatch):
    folder = tmp_path / "more"
    with tarfile.open(fileobj=io.BytesIO(published["CUB_200_2011.tgz"])) as tar:
        tar.extractall(folder)  # our own archive
    (folder / "CUB_200_2011" / "link").symlink_to("/etc/passwd")
    pack(folder / "CUB_200_2011", tmp_path / "with-link.tgz", "CUB_200_2011")
    content = (tmp_path / "with-link.tgz").read_bytes()
    [source] = sources.SOURCES["birds"]
    source = stated(source, content, server.give("/link", send(content)))
    monkeypatch.setattr(sources, "SOURCES", {**sources.SOURCES, "birds": (source,)})
    status, out = fetch("birds")
    assert status == 0
    assert "the link 'CUB_200_2011/link' is left out" in out
    assert not os.path.lexists(root / "CUB_200_2011" / "link")


@pytest.mark.parametrize(("member", "works"), [("CUB_200_2011", True), ("other", False)])
def test_the_folder_may_lie_one_deeper(
    published, fetch, server, tmp_path, monkeypatch, member, works
):
    folder = tmp_path / "wrapped"
    with tarfile.open(fileobj=io.BytesIO(published["CUB_200_2011.tgz"])) as tar:
        tar.extractall(folder)  # our own archive
    (folder / "CUB_200_2011").rename(folder / member)
    pack(folder, tmp_path / "wrapped.tgz", "wrapper")
    content = (tmp_path / "wrapped.tgz").read_bytes()
    [source] = sources.SOURCES["birds"]
    source = stated(source, content, server.give("/wrapped", send(content)))
    monkeypatch.setattr(sources, "SOURCES", {**sources.SOURCES, "birds": (source,)})
    status, out = fetch("birds")
    assert (status == 0) == works
    assert works or "there is no folder CUB_200_2011 in it, but wrapper" in out


def test_incomplete_data_brought_by_hand_are_told_and_kept(fetch, root):
    (root / "CUB_200_2011").mkdir(parents=True)
    (root / "CUB_200_2011" / "mine.txt").write_text("mine")
    status, out = fetch("birds")
    assert status == 1
    assert "birds: FAILED: the files are there, but" in out
    assert "classes.txt is missing" in out
    assert snapshot(root) == {"CUB_200_2011/mine.txt": b"mine"}


def test_no_room_is_told_before_asking_anybody(fetch, root, server, monkeypatch):
    usage = disk.shutil.disk_usage(root.parent)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage._replace(free=disk.RESERVE))
    status, out = fetch("birds", "svhn")
    assert status == 1
    assert "birds: FAILED: birds needs " in out
    assert "svhn: FAILED: svhn needs " in out
    assert server.asked == []
    assert snapshot(root) == {}


def test_space_is_needed_for_the_archive_and_for_what_comes_out(tmp_path):
    [source] = SOURCES["birds"]
    assert install.needed_space(source, tmp_path) == source.size + round(1.1 * source.size)
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / f"{source.file}.part").write_bytes(b"1" * 1000)
    assert install.needed_space(source, tmp_path) == round(2.1 * source.size) - 1000
    assert install.needed_space(SOURCES["svhn"][0], tmp_path) == SOURCES["svhn"][0].size


def test_a_full_disk_while_unpacking_keeps_the_archive(fetch, root, server, monkeypatch):
    with monkeypatch.context() as patched:
        fill_disk(patched, "*.unpacking/*/images.txt", 3)
        status, out = fetch("birds")
    assert status == 1
    assert "images.txt: the disk is full: free some room" in out
    assert list(snapshot(root)) == ["downloads/CUB_200_2011.tgz"]
    assert fetch("birds")[0] == 0
    assert len(server.asked) == 1


def test_a_root_that_cannot_be_made(fetch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, out = fetch("birds", root=tmp_path / "file" / "data")
    assert status == 1
    assert "birds: FAILED: " in out
    assert "could not be written" in out


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_read_only_root(fetch, root, monkeypatch, code):
    """Simulated: permissions do not hold a superuser."""

    def refuse(path, *_, **__):
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    status, out = fetch("birds", "svhn")
    assert status == 1
    for task in ("birds", "svhn"):
        assert (
            f"{task}: FAILED: {root}: it cannot be written to: choose a --root of your own" in out
        )


def test_complete_data_in_a_read_only_root_are_fine(fetch, monkeypatch):
    fetch("birds")
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: pytest.fail("nothing is to be made"))
    assert fetch("birds")[0] == 0


def test_what_a_killed_process_left_is_cleared_away(fetch, root):
    left = root / "downloads" / "CUB_200_2011.tgz.unpacking"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    assert fetch("birds")[0] == 0
    assert not left.exists()


def test_two_at_once_fetch_once(published, root, server):
    from benchmarks.data.fetch import fetch as run

    said, outcomes = [], []
    content = published["CUB_200_2011.tgz"]
    both = threading.Barrier(2, timeout=10)
    waiting = threading.Event()

    def slowly(handler):
        waiting.wait(10)
        send(content)(handler)

    server.give("/0/CUB_200_2011.tgz", slowly)

    def say(line):
        said.append(line)
        if "waiting for process" in line:
            waiting.set()

    def one():
        both.wait()
        outcomes.extend(run([TASKS["birds"]], root, False, say))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.good for outcome in outcomes] == [True, True]
    assert len(server.asked) == 1
    [line] = [line for line in said if "waiting" in line]
    assert f"waiting for process {os.getpid()} on " in line
    assert [path.name for path in (root / "downloads").iterdir()] == []


HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write('{"pid": 4242, "host": "elsewhere", "since": "yesterday"}')
file.flush()
print("held", flush=True)
time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    path = tmp_path / "birds.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    said = []

    def say(line):
        said.append(line)
        holder.kill()

    with holder:
        assert holder.stdout.readline() == "held\n"
        with locked(path, say):
            owner = json.loads(path.read_text())
            assert owner["pid"] == os.getpid()
    assert "waiting for process 4242 on elsewhere (since yesterday)" in said[0]
    assert "was left behind by process 4242 on elsewhere" in said[1]
    assert "taking over" in said[1]
    assert not path.exists()


def test_a_lock_file_of_no_sense_is_taken_over(tmp_path):
    path = tmp_path / "birds.lock"
    path.write_text("what")
    said = []
    with locked(path, said.append):
        pass
    assert "left behind by another process" in said[0]


def test_many_take_turns(tmp_path):
    """A file that its last owner removed is not mistaken for the lock."""
    inside, most = [], []

    def one():
        for _ in range(10):
            with locked(tmp_path / "lock", lambda _: None):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    assert lock.PATIENCE < 0.1
    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 40


def test_an_unknown_task_names_the_known_ones(fetch, root):
    status, out = fetch("birds", "birdz")
    assert status == 1
    assert out == f"error: unknown task 'birdz'; the tasks are {', '.join(TASKS)}\n"
    assert not root.exists()


def test_the_root_has_to_be_named(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["fetch", "birds"])
    assert "--root" in capsys.readouterr().err


def test_stopping_keeps_what_has_come(published, fetch, root, server, monkeypatch):
    content = published["CUB_200_2011.tgz"]

    def stop(*_):
        raise KeyboardInterrupt

    server.give("/0/CUB_200_2011.tgz", send(content, until=500))
    monkeypatch.setattr("benchmarks.data.download.time.sleep", stop)
    status, out = fetch("birds")
    assert status == 130
    assert "what has come is kept" in out
    assert [p.name for p in (root / "downloads").iterdir()] == ["CUB_200_2011.tgz.part"]
