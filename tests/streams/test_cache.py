"""Decoded pictures in memory, in a memory-mapped file, or decoded again: always the same pixels."""

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import write
from PIL import Image
from torch.utils.data import DataLoader

from avalanche_mas.streams import task_stream
from avalanche_mas.streams.cache import kept_in_file
from avalanche_mas.streams.geometry import ShorterSide, Square
from avalanche_mas.streams.pictures import ArrayPicture, FilePicture

SIZE = 16


@pytest.fixture
def root(tmp_path):
    """Cars of different sizes and colours."""
    root = tmp_path / "root"
    write(root, "cars")
    generator = np.random.default_rng(0)
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        shape = (8 + number, 40 - number, 3)
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return root


def stream(root, where, **options):
    return task_stream(["cars"], root, image_size=SIZE, cache=where, **options)


def pixels(made):
    parts = (made.train_stream, made.valid_stream, made.test_stream)
    return [(x, y) for [experience] in parts for x, y, *_ in experience.dataset.eval()]


def same(one, other):
    return all(torch.equal(a, b) and y == z for (a, y), (b, z) in zip(one, other, strict=True))


@pytest.mark.parametrize("transforms", ["shift", "paper"])
def test_all_ways_give_the_same_pixels(root, tmp_path, transforms):
    ways = ("memory", None, tmp_path / "cache", str(tmp_path / "cache"))
    memory, *others = [pixels(stream(root, way, transforms=transforms)) for way in ways]
    for other in others:
        assert same(memory, other)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_file_is_used_again_without_decoding(root, tmp_path, monkeypatch):
    first = pixels(stream(root, tmp_path))
    colour = FilePicture.open(FilePicture("", next(root.rglob("*.jpg"))))
    opened = []
    monkeypatch.setattr(FilePicture, "open", lambda self: opened.append(self) or colour)
    again = stream(root, tmp_path, seed=5)  # other halves are other rows of the same file
    looks = len(opened)  # whether the pictures have colour
    found = pixels(again)
    assert len(opened) == looks <= 12
    rows = {tuple(x.flatten().tolist()) for x, _ in first}
    assert {tuple(x.flatten().tolist()) for x, _ in found} == rows
    assert len(list(tmp_path.glob("*.pixels"))) == 1


def test_other_sizes_transforms_and_subsets_have_files_of_their_own(root, tmp_path):
    stream(root, tmp_path)
    stream(root, tmp_path, transforms="paper")
    stream(root, tmp_path, images_per_class=2)
    task_stream(["cars"], root, image_size=20, cache=tmp_path)
    names = sorted(path.name.rsplit("-", 2)[0] for path in tmp_path.glob("*.pixels"))
    assert names == ["cars-shorterside18", "cars-square16", "cars-square16", "cars-square20"]


def test_a_changed_picture_is_decoded_anew_with_a_warning(root, tmp_path):
    before = pixels(stream(root, tmp_path))
    changed = next(root.rglob("*.jpg"))
    Image.new("RGB", (50, 50), "orange").save(changed)
    [old] = tmp_path.glob("*.pixels")
    with pytest.warns(
        UserWarning, match=f"are in {re.escape(str(old))}; delete what no stream uses"
    ):
        after = pixels(stream(root, tmp_path))
    assert same(after, pixels(stream(root, None)))
    assert not same(after, before)
    assert same(pixels(stream(root, tmp_path)), after)  # a second warning would be an error


def test_a_stream_keeps_its_pictures_when_another_has_the_same_names(tmp_path):
    options = {"cache": tmp_path, "image_size": SIZE}
    first = task_stream(["letters"], seed=0, **options).test_stream[0].dataset.eval()
    held = first[0][0]
    with pytest.warns(UserWarning, match="are in .*; delete what no stream uses"):
        task_stream(["letters"], seed=1, **options)
    reopened = pickle.loads(pickle.dumps(first))  # as a loader's worker has it
    assert torch.equal(reopened[0][0], held)


def test_pictures_decoded_by_another_version_are_decoded_anew(tmp_path, monkeypatch):
    pictures = [ArrayPicture("a", np.zeros((4, 4, 3), np.uint8))]
    kept_in_file(pictures, Square(4), tmp_path, "one")
    monkeypatch.setattr("avalanche_mas.streams.cache.FORMAT", 0)
    with pytest.warns(UserWarning, match="otherwise decoded, are in"):
        kept_in_file(pictures, Square(4), tmp_path, "one")


def spoil(path, kind):
    content = path.read_bytes()
    damaged = {
        "empty": b"",
        "cut": content[:-40],
        "no pixels": content[1000:],
        "pixel": content[:100] + bytes([content[100] ^ 1]) + content[101:],
        "text": content.replace(b'"crc32"', b'"crc23"'),
        "mark": content[:-1] + b"?",
        "other": b"something else altogether" * 100,
    }
    path.write_bytes(damaged[kind])


@pytest.mark.parametrize("kind", ["empty", "cut", "no pixels", "pixel", "text", "mark", "other"])
def test_a_damaged_file_is_written_anew_with_a_warning(root, tmp_path, kind):
    before = pixels(stream(root, tmp_path))
    [path] = tmp_path.glob("*.pixels")
    spoil(path, kind)
    with pytest.warns(UserWarning, match=r"\.pixels is rewritten: it is (damaged|incomplete)"):
        after = pixels(stream(root, tmp_path))
    assert same(after, before)
    # A second warning would be an error.
    assert same(pixels(stream(root, tmp_path)), before)


def test_nothing_is_left_of_a_file_that_could_not_be_completed(root, tmp_path):
    max(root.rglob("*.jpg")).write_bytes(b"no picture")
    folder = tmp_path / "cache"
    with pytest.raises(ValueError, match="is not a readable image"):
        stream(root, folder)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_or_written(root, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OSError, match=r"the cache folder .*below cannot be written .* name another"
    ):
        stream(root, tmp_path / "file" / "below")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(OSError, match=f"{root}.*Permission denied.*cache="):
        stream(root, root)


def test_a_full_disk(root, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match=r"cannot be written .*No space left"):
        stream(root, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for this user")
def test_a_read_only_root_can_be_read_but_holds_no_cache(root):
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    try:
        for folder in folders:
            folder.chmod(0o555)
        assert len(pixels(stream(root, "memory"))) == 21
        with pytest.raises(OSError, match="cannot be written"):
            stream(root, root / "cache")
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_two_that_write_it_at_the_same_time(tmp_path):
    plain = [ArrayPicture(str(i), np.full((4, 4, 3), i, np.uint8)) for i in range(3)]

    class Interrupted(ArrayPicture):
        """While it is decoded, another process writes the same file."""

        def open(self):
            kept_in_file(plain, Square(4), tmp_path, "one")
            assert len(list(tmp_path.iterdir())) == 2
            return super().open()

    pictures = [plain[0], Interrupted("1", plain[1].pixels), plain[2]]
    file = kept_in_file(pictures, Square(4), tmp_path, "one")
    assert [file[i].unique().item() for i in range(3)] == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("way", ["memory", None, "folder"])
def test_workers_of_a_loader(root, tmp_path, way):
    made = stream(root, tmp_path if way == "folder" else way)
    data = made.train_stream[0].dataset.eval()
    alone = [x for x, *_ in DataLoader(data, batch_size=4)]
    together = [x for x, *_ in DataLoader(data, batch_size=4, num_workers=2)]
    assert all(map(torch.equal, alone, together))
    copied = pickle.dumps(data)
    assert torch.equal(pickle.loads(copied)[3][0], data[3][0])


def test_pixels_do_not_travel_to_workers(tmp_path):
    pictures = [ArrayPicture(str(i), np.full((64, 64, 3), i, np.uint8)) for i in range(20)]
    file = kept_in_file(pictures, Square(64), tmp_path, "many")
    assert file[7].unique().tolist() == [7]
    assert len(pickle.dumps(file)) < 3000
    assert pickle.loads(pickle.dumps(file))[19].unique().tolist() == [19]


def test_a_file_of_another_size_under_this_name(tmp_path):
    pictures = [ArrayPicture("a", np.zeros((9, 9, 3), np.uint8))]
    path = kept_in_file(pictures, Square(7), tmp_path, "one").path
    kept_in_file(pictures, Square(8), tmp_path, "one").path.rename(path)
    with pytest.warns(UserWarning, match="is rewritten: it holds other pictures"):
        assert kept_in_file(pictures, Square(7), tmp_path, "one")[0].shape == (3, 7, 7)


def test_what_is_given_can_be_written_to(tmp_path):
    pictures = [ArrayPicture("a", np.zeros((4, 4, 3), np.uint8))]
    file = kept_in_file(pictures, ShorterSide(4), tmp_path, "one")
    file[0].add_(1)
    assert file[0].sum() == 0
