"""The complete official lists, and torchvision's and Avalanche's own readers, as a second opinion."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torchvision
from avalanche.benchmarks.datasets import CUB200
from layouts import TEST, TRAIN, car_annotations, text, write
from PIL import Image

from avalanche_mas.streams import TASKS, Sizes, task_stream
from avalanche_mas.streams.flowers import NAMES
from avalanche_mas.streams.registry import read_lists

SHARED = Path(__file__).parents[3] / "shared" / "data"
OFFICIAL = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the official lists are not beside this checkout"
)


def fill(folder, names):
    """Make pictures, all the same small red one."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "picture"
    Image.new("RGB", (2, 2), "red").save(picture, format="JPEG")
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.hardlink_to(picture)


def facts(name, root):
    [task] = task_stream([name], root, cache=None).tasks
    return task


@OFFICIAL
def test_complete_aircraft(tmp_path):
    lists = SHARED / "fgvc-aircraft-2013b" / "data" / "official"
    folder = tmp_path / "fgvc-aircraft-2013b" / "data"
    shutil.copytree(lists, folder)
    rows = [(lists / f"images_{part}.txt").read_text().split() for part in ("trainval", "test")]
    fill(folder / "images", [f"{number}.jpg" for number in rows[0] + rows[1]])
    task = facts("aircraft", tmp_path)
    assert (len(task.classes), task.sizes) == (100, Sizes(6667, 1666, 1667))
    assert (task.complete, task.as_published) == (True, False)
    assert task.agreement == "complete; published: 6666 train, 1666 validation, 1667 test"
    assert not task.left_out


@OFFICIAL
def test_complete_scenes(tmp_path):
    folder = tmp_path / "indoorCVPR_09"
    shutil.copytree(SHARED / "indoorCVPR_09" / "official_lists", folder)
    rows = [(folder / f"{part}Images.txt").read_text().split("\n") for part in ("Train", "Test")]
    fill(folder / "Images", [name for name in rows[0] + rows[1] if name])
    task = facts("scenes", tmp_path)
    assert (len(task.classes), task.sizes) == (67, Sizes(5360, 670, 670))
    assert (task.complete, task.as_published) == (True, True)
    assert task.agreement == "as published"


@OFFICIAL
def test_complete_cars(tmp_path):
    """The official lists without the labels of the test set, which are made up here."""
    folder, devkit = tmp_path / "stanford_cars", SHARED / "stanford_cars" / "devkit" / "official"
    shutil.copytree(devkit, folder / "devkit")
    names = {}
    for part in ("train", "test"):
        rows = scipy.io.loadmat(devkit / f"cars_{part}_annos.mat", squeeze_me=True)["annotations"]
        names[part] = [str(name) for name in rows["fname"]]
        fill(folder / f"cars_{part}", names[part])
    rows = [(1 + number % 196, name) for number, name in enumerate(names["test"])]
    car_annotations(folder / "cars_test_annos_withlabels.mat", rows)
    task = facts("cars", tmp_path)
    assert (len(task.classes), task.sizes, task.as_published) == (
        196,
        Sizes(8144, 4020, 4021),
        True,
    )


@OFFICIAL
def test_complete_flowers():
    task = facts("flowers", SHARED)
    assert (task.as_published, task.complete, task.agreement) == (True, True, "as published")
    assert not task.left_out
    assert task.split == "cf97741f448a5597"  # which pictures the halves of seed 0 have


def test_complete_letters(tmp_path):
    """As many good and bad digits and letters as the official list has, under names like its."""
    names = []
    for kind, digits, letters in (("GoodImg", 593, 7112), ("BadImag", 292, 4506)):
        for first, classes, count in ((1, 10, digits), (11, 52, letters)):
            for i in range(count):
                label = first + i % classes
                names.append(f"{kind}/Bmp/Sample{label:03d}/img{label:03d}-{i // classes + 1:05d}")
    labels = [int(name[18:21]) for name in names]
    assert len(names) == 12503
    test = [i for i, name in enumerate(names, start=1) if "Good" in name and int(name[-5:]) <= 15]
    fields = {
        "ALLlabels": labels,
        "ALLnames": [f"'{name}'" for name in names],
        "TSTind": [" ".join([str(i)] * 16) for i in test],
    }
    lists = [f"list.{name} = [" + "\n".join(map(str, rows)) for name, rows in fields.items()]
    text(tmp_path / "ListsTXT" / "list_English_Img.m", [f"{field}\n];" for field in lists])
    reading = TASKS["letters"].read(tmp_path)
    assert (len(reading.train), len(reading.test)) == (10838, 2 * 390)
    assert reading.left_out == {"digits": 885}
    told = TASKS["letters"].agreement(52, Sizes(10838, 390, 390))
    assert told == "complete; published: 6850 train, 580 validation, 570 test"


def test_agreement_of_what_is_not_complete():
    few = Sizes(1, 2, 3)
    assert TASKS["birds"].agreement(40, few) == (
        "not complete; the complete files give 200 classes, 5994 train, 2897 validation, 2897 test"
    )
    assert TASKS["letters"].agreement(52, few) == (
        "not complete; the complete files give 52 classes, 10838 train, 390 validation, 390 test "
        "(published: 6850 train, 580 validation, 570 test)"
    )
    assert TASKS["birds"].agreement(199, TASKS["birds"].sizes).startswith("not complete")


def assert_equal(samples, official, same=lambda theirs, ours: theirs == ours):
    assert len(samples) == len(official)
    for sample, (image, label, *_) in zip(samples, official, strict=True):
        assert np.array_equal(sample.picture.open(), image)
        assert same(label, sample.label)


def test_aircraft_as_torchvision_reads_it(tmp_path):
    write(tmp_path, "aircraft")
    reading = read_lists(TASKS["aircraft"], tmp_path)
    for samples, split in ((reading.train, "trainval"), (reading.test, "test")):
        official = torchvision.datasets.FGVCAircraft(tmp_path, split, "variant")
        assert tuple(official.classes) == reading.classes
        assert_equal(samples, official)


def test_cars_as_torchvision_reads_them(tmp_path):
    write(tmp_path, "cars")
    reading = read_lists(TASKS["cars"], tmp_path)
    for samples, split in ((reading.train, "train"), (reading.test, "test")):
        official = torchvision.datasets.StanfordCars(tmp_path, split)
        assert tuple(official.classes) == reading.classes
        assert_equal(samples, official)


def test_flowers_as_torchvision_reads_them(tmp_path, monkeypatch):
    write(tmp_path, "flowers")
    monkeypatch.setattr(torchvision.datasets.Flowers102, "_check_integrity", lambda _: True)
    reading = read_lists(TASKS["flowers"], tmp_path)
    official = {
        split: torchvision.datasets.Flowers102(tmp_path, split)
        for split in ("train", "val", "test")
    }

    def same(theirs, ours):  # they number all 102 classes
        return NAMES[theirs] == reading.classes[ours]

    assert_equal(reading.train, [*official["train"], *official["val"]], same)
    assert_equal(reading.test, official["test"], same)


def test_svhn_as_torchvision_reads_it(tmp_path, monkeypatch):
    write(tmp_path, "svhn")
    monkeypatch.setattr(torchvision.datasets.SVHN, "_check_integrity", lambda _: True)
    reading = read_lists(TASKS["svhn"], tmp_path)
    for samples, split in ((reading.train, "train"), (reading.test, "test")):
        assert_equal(samples, torchvision.datasets.SVHN(tmp_path / "svhn", split))


def test_birds_as_avalanche_reads_them(tmp_path):
    write(tmp_path, "birds")
    rows = [f"{number} 0 0 40 30" for number in range(1, 3 * (TRAIN + TEST) + 1)]
    text(tmp_path / "CUB_200_2011" / "bounding_boxes.txt", rows)
    reading = read_lists(TASKS["birds"], tmp_path)
    for samples, train in ((reading.train, True), (reading.test, False)):
        assert_equal(samples, CUB200(tmp_path, train=train, download=False))
