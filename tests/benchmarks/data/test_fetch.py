"""`data fetch`: from published files to what the readers read."""

import io
import json
import os
import subprocess
import tarfile
from dataclasses import replace

import pytest

from avalanche_mas.streams import TASKS
from avalanche_mas.streams.registry import read_lists
from benchmarks.data import sources
from benchmarks.data.sources import SOURCES
from tests.benchmarks.command_lines import data as main
from tests.benchmarks.data.conftest import pack, snapshot, stated
from tests.benchmarks.data.server import fail, send
from tests.streams.layouts import write

pytestmark = pytest.mark.usefixtures("published")

FETCHED = [name for name in TASKS if name != "cars"]


def change(monkeypatch, task, **changes):
    """Change the sources of a task, all of them or by file."""
    every = tuple(
        replace(s, **{k: v[s.file] if isinstance(v, dict) else v for k, v in changes.items()})
        for s in sources.SOURCES[task]
    )
    monkeypatch.setattr(sources, "SOURCES", {**sources.SOURCES, task: every})


def test_everything_that_can_be_had(fetch, root, server):
    status, out = fetch()
    assert status == 1  # cars
    for name in FETCHED:
        assert len(read_lists(TASKS[name], root).classes) >= 3
        assert f"{name}: fetched: " in out
    assert [path.name for path in (root / "downloads").iterdir()] == []
    summary = out.split("Summary:")[1]
    assert [line.split()[0] for line in summary.splitlines() if line] == list(TASKS)
    assert "cars      ACTION NEEDED" in summary
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
    assert "Summary" not in out


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
        assert f"{source.file}\n    {source.size:,} bytes\n    MD5 {source.md5}\n" in out
        assert f"put it at {root / 'downloads' / source.file}" in out
        assert source.by_hand in out
    assert f"put the folder cars_train at {root / 'stanford_cars' / 'cars_train'}" in out
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
    assert "ACTION NEEDED" in out  # the others
    assert brought.read_bytes() == b"something else"


def test_a_source_that_is_gone_asks_for_help_and_the_rest_goes_on(fetch, server, root):
    for path in ("/0/indoorCVPR_09.tar", "/1/indoorCVPR_09.tar"):
        server.give(path, fail(404))
    status, out = fetch("scenes", "svhn")
    assert status == 1
    assert "404 Not Found" in out
    assert "scenes: ACTION NEEDED" in out
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
    assert f"the partial download is kept in {part}" in out
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


def test_links_are_told(fetch, server, root, tmp_path, monkeypatch):
    folder = tmp_path / "more"
    write(folder, "birds")
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
def test_the_folder_may_lie_one_deeper(fetch, server, tmp_path, monkeypatch, member, works):
    folder = tmp_path / "wrapped"
    write(folder, "birds")
    (folder / "CUB_200_2011").rename(folder / member)
    pack(folder, tmp_path / "wrapped.tgz", "wrapper")
    content = (tmp_path / "wrapped.tgz").read_bytes()
    [source] = sources.SOURCES["birds"]
    source = stated(source, content, server.give("/wrapped", send(content)))
    monkeypatch.setattr(sources, "SOURCES", {**sources.SOURCES, "birds": (source,)})
    status, out = fetch("birds")
    assert (status == 0) == works
    assert works or "has no folder CUB_200_2011, but wrapper" in out


def test_incomplete_data_brought_by_hand_are_told_and_kept(fetch, root):
    (root / "CUB_200_2011").mkdir(parents=True)
    (root / "CUB_200_2011" / "mine.txt").write_text("mine")
    status, out = fetch("birds")
    assert status == 1
    assert "birds: FAILED: the files are there, but" in out
    assert "classes.txt is missing" in out
    assert snapshot(root) == {"CUB_200_2011/mine.txt": b"mine"}


def test_an_unknown_task_names_the_known_ones(fetch, root):
    status, out = fetch("birds", "birdz")
    assert status == 2
    assert (
        out
        == f"error: unknown task 'birdz'; the tasks are {', '.join(TASKS)}; did you mean 'birds'?\n"
    )
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
    assert "what is done is kept" in out
    assert [p.name for p in (root / "downloads").iterdir()] == ["CUB_200_2011.tgz.part"]
