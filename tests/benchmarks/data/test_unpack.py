"""Archives, also those that mean harm."""

import gzip
import hashlib
import io
import tarfile
import zipfile

import pytest

from benchmarks.data import unpack as module
from benchmarks.data.disk import DiskError, FetchError
from benchmarks.data.unpack import unpack
from benchmarks.record.visible import visible
from tests.benchmarks.data.test_download import fill_disk

GOOD = {"d/a.txt": b"a" * 5000, "d/ü b/c.bin": bytes(range(256)), "empty": b""}


def tar(path, members, mode="w:gz"):
    """Members are (name or TarInfo, content)."""
    with tarfile.open(path, mode) as archive:
        for info, content in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in members:
            archive.writestr(info, content)
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "out" / "here"
    inside.mkdir(parents=True)
    return inside


def everything(folder):
    """All that lies beside and below the folder."""
    above = folder.parents[1]
    return {str(path.relative_to(above)) for path in above.rglob("*")} - {"out", "out/here"}


WRITERS = {
    "tar": lambda path, members: tar(path, members, "w"),
    "tar.gz": lambda path, members: tar(path, members, "w:gz"),
    "tar.xz": lambda path, members: tar(path, members, "w:xz"),
    "zip": zipped,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_files_and_folders_come_out(folder, tmp_path, kind):
    found = unpack(WRITERS[kind](tmp_path / "a", GOOD.items()), folder)
    assert {name: (folder / name).read_bytes() for name in GOOD} == GOOD
    assert found.files == {n: hashlib.sha256(content).hexdigest() for n, content in GOOD.items()}
    assert found.links == ()


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    "name", ["../evil", "d/../../evil", "/evil", "d/..", "..", "..\\evil", "C:evil", "a\\..\\b"]
)
def test_no_name_leads_out(folder, tmp_path, kind, name):
    archive = WRITERS[kind](tmp_path / "a", [("good", b"1"), (name, b"2")])
    with pytest.raises(FetchError, match="leads out of the folder"):
        unpack(archive, folder)
    assert everything(folder) == {"a", "out/here/good"}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", ["two\nlines", "d/\x1b[2Jgone", "a\tb", "a\x9b2J", "a\u202eb"])
def test_no_name_acts_on_the_terminal(folder, tmp_path, kind, name):
    archive = WRITERS[kind](tmp_path / "a", [(name, b"1")])
    with pytest.raises(FetchError, match="has control characters in it; the archive is") as caught:
        unpack(archive, folder)
    assert repr(name) in str(caught.value)
    assert visible(caught.value) == str(caught.value)
    assert everything(folder) == {"a"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["../..", "/etc/passwd", "good"])
def test_links_are_left_out_and_nothing_follows_them(folder, tmp_path, kind, target):
    (tmp_path / "out" / "x").mkdir()
    members = [("good", b"1"), (special("link", kind, target), b""), ("link/x/evil", b"2")]
    found = unpack(tar(tmp_path / "a", members), folder)
    assert found.links == ("link",)
    assert set(found.files) == {"good", "link/x/evil"}
    assert not (folder / "link").is_symlink()
    assert not list((tmp_path / "out" / "x").iterdir())


def test_links_in_zips_are_left_out(folder, tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    found = unpack(zipped(tmp_path / "a", [(info, b"../.."), ("good", b"1")]), folder)
    assert found.links == ("link",)
    assert [path.name for path in folder.iterdir()] == ["good"]


def test_a_long_name_that_unpacks_to_gigabytes(folder, tmp_path):
    info = special("long", tarfile.XHDTYPE)
    with pytest.raises(FetchError, match="a header of 3000000 bytes"):
        unpack(tar(tmp_path / "a", [(info, b"0" * 3_000_000), ("good", b"1")]), folder)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_refused(folder, tmp_path, kind):
    with pytest.raises(FetchError, match="'dev' is neither a file nor a folder"):
        unpack(tar(tmp_path / "a", [(special("dev", kind), b"")]), folder)
    assert everything(folder) == {"a"}


@pytest.mark.parametrize("kind", WRITERS)
def test_too_many_members(folder, tmp_path, monkeypatch, kind):
    archive = WRITERS[kind](tmp_path / "a", [(str(i), b"") for i in range(4)])
    monkeypatch.setattr(module, "MOST_MEMBERS", 4)
    assert len(unpack(archive, folder).files) == 4
    monkeypatch.setattr(module, "MOST_MEMBERS", 3)
    with pytest.raises(FetchError, match="more than 3 members"):
        unpack(archive, folder)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
@pytest.mark.parametrize("each", [1_000_000, 100_000])  # one large member, or many
def test_a_bomb_stops_early(folder, tmp_path, monkeypatch, kind, each):
    monkeypatch.setattr(module, "MOST_BYTES", 300_000)
    members = [(str(i), b"0" * each) for i in range(1_000_000 // each)]
    archive = WRITERS[kind](tmp_path / "a", members)
    with pytest.raises(FetchError, match="far more than its own size"):
        unpack(archive, folder)
    written = sum(path.stat().st_size for path in folder.rglob("*"))
    assert written <= 300_000 + 4 * archive.stat().st_size


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_an_archive_that_ends_too_early(folder, tmp_path, kind, kept):
    noise = hashlib.shake_128(b"").digest(100_000)
    archive = WRITERS[kind](tmp_path / "a", [("one", noise), ("two", noise[::-1])])
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(FetchError, match="damaged or ends too early"):
        unpack(archive, folder)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4 neither", b"\x1f\x8b\x08 nor"])
def test_no_archive(folder, tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FetchError, match="damaged or ends too early"):
        unpack(tmp_path / "a", folder)


def test_a_flipped_bit(folder, tmp_path):
    archive = tar(tmp_path / "a", [("one", hashlib.shake_128(b"").digest(3_000_000))], "w")
    packed = bytearray(gzip.compress(archive.read_bytes()))
    packed[-8] ^= 1  # in the checksum
    archive.write_bytes(packed)
    with pytest.raises(FetchError, match="damaged or ends too early"):
        unpack(archive, folder)


def test_damage_in_the_middle_is_not_taken_for_the_disks(folder, tmp_path):
    archive = tar(tmp_path / "a", [("one", hashlib.shake_128(b"").digest(300_000))], "w")
    content = archive.read_bytes()
    first = bytearray(gzip.compress(content[:100_000]))
    first[-8] ^= 1
    archive.write_bytes(bytes(first) + gzip.compress(content[100_000:]))
    with pytest.raises(FetchError, match="damaged or ends too early") as caught:
        unpack(archive, folder)
    assert not isinstance(caught.value, DiskError)


def test_a_full_disk(folder, tmp_path, monkeypatch):
    archive = tar(tmp_path / "a", [("one", b"1" * 5000)])
    fill_disk(monkeypatch, "one", 100)
    with pytest.raises(DiskError, match="one: the disk is full"):
        unpack(archive, folder)


def test_a_file_where_a_folder_should_be(folder, tmp_path):
    with pytest.raises(DiskError, match="could not be written"):
        unpack(tar(tmp_path / "a", [("one", b"1"), ("one/two", b"2")]), folder)
