"""`data fetch` on disks that are full, read-only, or hold what a killed process left."""

import errno
import os
from pathlib import Path

import pytest

from benchmarks.data import disk, install
from benchmarks.data.sources import SOURCES
from tests.benchmarks.data.conftest import snapshot
from tests.benchmarks.data.test_download import fill_disk

pytestmark = pytest.mark.usefixtures("published")


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
    assert "images.txt: the disk is full: free some space" in out
    assert list(snapshot(root)) == ["downloads/CUB_200_2011.tgz"]
    assert fetch("birds")[0] == 0
    assert len(server.asked) == 1


@pytest.fixture
def downloads_elsewhere(root, monkeypatch):
    """Simulated: the folder of downloads is a link onto another disk."""
    rename = Path.replace

    def replace(path, target):
        if path.is_relative_to(root / "downloads") != target.is_relative_to(root / "downloads"):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", replace)


@pytest.mark.usefixtures("downloads_elsewhere")
def test_downloads_on_another_disk_are_copied(fetch, root):
    (root / "svhn").mkdir(parents=True)
    (root / "svhn" / "train_32x32.mat.copying").write_text("left by a killed process")
    assert fetch("birds", "svhn")[0] == 0
    assert [name for name in snapshot(root) if "downloads" in name or "copying" in name] == []


@pytest.mark.usefixtures("downloads_elsewhere")
@pytest.mark.parametrize(
    ("task", "file", "kept"),
    [("birds", "images.txt", "CUB_200_2011.tgz"), ("svhn", "train_32x32.mat", "train_32x32.mat")],
)
def test_a_full_disk_while_copying_keeps_what_was_downloaded(
    fetch, root, server, monkeypatch, task, file, kept
):
    copy = install.shutil.copy2

    def full(path, place):
        copy(path, place)
        if path.name == file:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))

    with monkeypatch.context() as patched:
        patched.setattr(install.shutil, "copy2", full)
        status, out = fetch(task)
    assert status == 1
    assert "the disk is full: free some space and run the command again" in out
    assert list(snapshot(root)) == [f"downloads/{kept}"]
    asked = len(server.asked)
    assert fetch(task)[0] == 0
    assert not any(kept in path for path, _ in server.asked[asked:])


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
