"""Every reader on a tiny data set in its official layout, and what it says of damaged ones."""

import numpy as np
import pytest
import scipy.io
import torchvision
from avalanche.benchmarks.datasets import CUB200
from layouts import COLOURS, TEST, TRAIN, WRITERS, car_annotations, text, write
from PIL import Image

from avalanche_mas.streams import TASKS
from avalanche_mas.streams.matlab import matlab
from avalanche_mas.streams.registry import is_stand_in, read_lists

FILES = [name for name in WRITERS if name != "svhn"]
CLASSES = {
    "flowers": ("english marigold", "common dandelion", "blackberry lily"),
    "scenes": ("airport inside", "bar", "closet"),
    "birds": ("Black footed Albatross", "Laysan Albatross", "Sooty Albatross"),
    "cars": ("AM General Hummer", "Acura RL", "Audi R8"),
    "aircraft": ("707-320", "A300B4", "Eurofighter Typhoon"),
    "actions": ("jumping", "phoning", "other"),
    "letters": ("B", "Z", "a"),
}


@pytest.mark.parametrize("name", FILES)
def test_reader_finds_classes_labels_and_parts(name, tmp_path):
    write(tmp_path, name)
    reading = read_lists(TASKS[name], tmp_path)
    assert reading.classes == CLASSES[name]
    assert len(reading.train) == 3 * TRAIN
    assert len(reading.test) == 3 * TEST
    for sample in reading.train + reading.test:
        middle = np.asarray(sample.picture.open())[10, 5]
        assert np.abs(middle.astype(int) - COLOURS[sample.label]).max() < 10
    names = [sample.picture.name for sample in reading.train + reading.test]
    assert len(set(names)) == len(names)
    assert not any(str(tmp_path) in name for name in names)


def test_svhn_label_ten_is_the_digit_zero(tmp_path):
    write(tmp_path, "svhn")
    reading = read_lists(TASKS["svhn"], tmp_path)
    assert reading.classes == tuple("0123456789")
    assert (len(reading.train), len(reading.test)) == (10 * TRAIN, 10 * TEST)
    for sample in reading.train + reading.test:
        red = np.asarray(sample.picture.open())[0, 0, 0]
        assert red == 20 * (sample.label or 10)


def test_person_is_cut_out_with_a_margin_inside_the_image(tmp_path):
    write(tmp_path, "actions")
    picture = read_lists(TASKS["actions"], tmp_path).train[0].picture
    # box 5..15 x 5..25 in 40 x 30; a quarter of 10 is 2.5 and a quarter of 20 is 5
    assert picture.box == (2, 0, 18, 30)
    assert picture.open().size == (16, 30)


@pytest.mark.parametrize("name", WRITERS)
def test_missing_folder_is_named_with_the_next_step(name, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        read_lists(TASKS[name], tmp_path)
    assert str(tmp_path / TASKS[name].folder) in str(caught.value)
    assert TASKS[name].address in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_lists(TASKS[name], tmp_path / "nowhere")


@pytest.mark.parametrize("name", FILES)
def test_missing_picture_is_named(name, tmp_path):
    path = write(tmp_path, name)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="1 of the listed") as caught:
        read_lists(TASKS[name], tmp_path)
    assert str(path) in str(caught.value)


def test_every_list_is_needed(tmp_path):
    for name in WRITERS:
        write(tmp_path / name, name)
        lists = [p for p in (tmp_path / name).rglob("*.*") if p.suffix in (".txt", ".mat", ".m")]
        assert lists, name
        for path in lists:
            content = path.read_bytes()
            path.unlink()
            with pytest.raises(FileNotFoundError) as caught:
                read_lists(TASKS[name], tmp_path / name)
            assert str(path) in str(caught.value)
            path.write_bytes(content)


def test_damaged_matlab_file_is_named(tmp_path):
    write(tmp_path, "svhn")
    path = tmp_path / "svhn" / "test_32x32.mat"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"test_32x32\.mat is not a readable MATLAB file"):
        read_lists(TASKS["svhn"], tmp_path)


def test_matlab_file_without_its_variable_is_named(tmp_path):
    write(tmp_path, "flowers")
    scipy.io.savemat(tmp_path / "flowers-102" / "setid.mat", {"trnid": [1]})
    with pytest.raises(ValueError, match=r"setid\.mat has no variable 'valid'"):
        read_lists(TASKS["flowers"], tmp_path)


def replace(path, old, new):
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))


def out_of_range_flowers(root):
    path = root / "flowers-102" / "imagelabels.mat"
    labels = scipy.io.loadmat(path)["labels"]
    labels[0, 7] = 103
    scipy.io.savemat(path, {"labels": labels})
    return "image_00008.jpg: class 103 is not one of 1..102"


def out_of_range_birds(root):
    path = root / "CUB_200_2011" / "image_class_labels.txt"
    text(path, [*path.read_text().splitlines()[:-1], "21 4"])
    return "image 21: class 4 is not one of 1..3"


def out_of_range_cars(root):
    car_annotations(root / "stanford_cars" / "cars_test_annos_withlabels.mat", [(0, "1.jpg")])
    return "cars_test/1.jpg: class 0 is not one of 1..3"


def out_of_range_aircraft(root):
    path = root / "fgvc-aircraft-2013b" / "data" / "images_variant_test.txt"
    replace(path, "A300B4", "Zeppelin")
    return "'Zeppelin' is not one of variants.txt"


def out_of_range_actions(root):
    path = next((root / "VOCdevkit" / "VOC2012" / "Annotations").glob("*.xml"))
    text(path, [path.read_text().replace("phoning>", "sleeping>").replace("jumping>", "phoning>")])
    path.write_text(path.read_text().replace("<sleeping>0", "<sleeping>1"))
    return "'sleeping' is not one of"


def out_of_range_letters(root):
    replace(root / "ListsTXT" / "list_English_Img.m", "37;", "63;")
    return "class 63 is not one of 1..62"


def out_of_range_svhn(root):
    path = root / "svhn" / "train_32x32.mat"
    content = scipy.io.loadmat(path)
    content["y"][5] = 11
    scipy.io.savemat(path, {"X": content["X"], "y": content["y"]})
    return "picture 5: class 11 is not one of 1..10"


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "scenes"])
def test_label_out_of_range_is_named(name, tmp_path):
    write(tmp_path, name)
    message = globals()[f"out_of_range_{name}"](tmp_path)
    with pytest.raises(ValueError, match="not one of") as caught:
        read_lists(TASKS[name], tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{name}: ")


def test_test_class_without_training_pictures(tmp_path):
    write(tmp_path, "scenes")
    path = tmp_path / "indoorCVPR_09" / "TrainImages.txt"
    text(path, [line for line in path.read_text().splitlines() if not line.startswith("bar")])
    with pytest.raises(ValueError, match="class 'bar' has test pictures but no training pictures"):
        read_lists(TASKS["scenes"], tmp_path)


def test_empty_list(tmp_path):
    write(tmp_path, "scenes")
    text(tmp_path / "indoorCVPR_09" / "TestImages.txt", [])
    with pytest.raises(ValueError, match="12 training and 0 test pictures"):
        read_lists(TASKS["scenes"], tmp_path)


def test_inconsistent_lists_of_birds(tmp_path):
    write(tmp_path, "birds")
    text(tmp_path / "CUB_200_2011" / "train_test_split.txt", ["1 1"])
    with pytest.raises(ValueError, match=r"train_test_split.txt: no 0 or 1 for image 2"):
        read_lists(TASKS["birds"], tmp_path)
    text(tmp_path / "CUB_200_2011" / "image_class_labels.txt", ["1 1", "2"])
    with pytest.raises(ValueError, match=r"expected two columns, found '2'"):
        read_lists(TASKS["birds"], tmp_path)


def test_cars_test_file_without_labels(tmp_path):
    write(tmp_path, "cars")
    path = tmp_path / "stanford_cars" / "cars_test_annos_withlabels.mat"
    car_annotations(path, [(1, "1.jpg")], labelled=False)
    with pytest.raises(ValueError, match="no field 'class'"):
        read_lists(TASKS["cars"], tmp_path)


def test_svhn_of_another_shape(tmp_path):
    write(tmp_path, "svhn")
    path = tmp_path / "svhn" / "train_32x32.mat"
    scipy.io.savemat(path, {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((5, 1))})
    with pytest.raises(ValueError, match=r"X has shape \(32, 32, 3, 4\) and y \(5,\)"):
        read_lists(TASKS["svhn"], tmp_path)


def test_bad_annotations_of_actions(tmp_path):
    write(tmp_path, "actions")
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    lists = folder / "ImageSets" / "Action" / "train.txt"
    replace(lists, "\n", " 7\n")
    with pytest.raises(ValueError, match=r"has no object 7, only 1\.\."):
        read_lists(TASKS["actions"], tmp_path)
    path = folder / "Annotations" / f"{lists.read_text().split()[0]}.xml"
    text(path, ["<annotation>"])
    with pytest.raises(ValueError, match=f"{path.name} is not a readable annotation"):
        read_lists(TASKS["actions"], tmp_path)


def test_letters_list_with_fields_of_different_length(tmp_path):
    write(tmp_path, "letters")
    path = tmp_path / "ListsTXT" / "list_English_Img.m"
    replace(path, "37;\n", "")
    with pytest.raises(ValueError, match="23 names, 22 labels"):
        read_lists(TASKS["letters"], tmp_path)
    replace(path, "list.TSTind", "list.other")
    replace(path, "36;\n", "36;\n37;\n")
    with pytest.raises(ValueError, match=r"no list.TSTind"):
        read_lists(TASKS["letters"], tmp_path)


def test_grey_pictures_are_not_taken_for_the_data_set(tmp_path):
    write(tmp_path, "aircraft")
    reading = read_lists(TASKS["aircraft"], tmp_path)
    assert is_stand_in(TASKS["aircraft"], reading, tmp_path, asked=False) is False
    for path in tmp_path.rglob("*.jpg"):
        Image.open(path).convert("L").save(path)
    with pytest.raises(ValueError, match=r"aircraft: no picture under .* name 'aircraft'"):
        is_stand_in(TASKS["aircraft"], reading, tmp_path, asked=False)
    assert is_stand_in(TASKS["aircraft"], reading, tmp_path, asked=True) is True


def test_checksums_and_names_are_those_of_torchvision_and_avalanche():
    flowers = torchvision.datasets.Flowers102
    assert TASKS["flowers"].checksums == dict(flowers._file_dict.values())
    svhn = torchvision.datasets.SVHN.split_list
    assert TASKS["svhn"].checksums == {svhn[p][1]: svhn[p][2] for p in ("train", "test")}
    assert TASKS["birds"].checksums == {CUB200.filename: CUB200.tgz_md5}
    voc = torchvision.datasets.voc.DATASET_YEAR_DICT["2012"]
    assert TASKS["actions"].checksums == {voc["filename"]: voc["md5"]}
    if hasattr(flowers, "classes"):  # newer versions of torchvision
        from avalanche_mas.streams.flowers import NAMES

        assert list(NAMES) == [name.rstrip("?") for name in flowers.classes]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\1\0\0\0\x0c\0\0\0", b"\1\0\0\0\x0c\0\0\x08"),  # structures: for scipy, all memory
        (b"\x0c\0\0\0\x08\0\0\0", b"\x8c\0\0\0\x08\0\0\0"),  # numbers: scipy crashes
        (b"\x0e\0\0\0", b"\x8e\0\0\0"),  # no array
        (b"\0\1IM", b"\0\0IM"),  # another version
    ],
)
def test_a_matlab_file_that_declares_what_it_has_not(old, new, tmp_path):
    write(tmp_path, "cars")
    path = tmp_path / "stanford_cars" / "devkit" / "cars_train_annos.mat"
    content = path.read_bytes()
    assert old in content[124:]
    path.write_bytes(content[:124] + content[124:].replace(old, new, 1))
    with pytest.raises(ValueError, match=r"not a readable MATLAB file.*again under") as caught:
        read_lists(TASKS["cars"], tmp_path)
    assert str(path) in str(caught.value)


def test_matlab_files_are_read_as_scipy_reads_them(tmp_path):
    path = tmp_path / "a.mat"
    numbers = {
        f"x{kind}": np.arange(6, dtype=kind).reshape(1, 2, 3)
        for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
    }
    cells = np.array([["ü", np.ones((2, 2)), ""]], dtype=object)
    structures = np.array([[(1, "a"), (2, "b")]], dtype=[("number", "O"), ("text", "O")])
    for compressed in (False, True):
        variables = {**numbers, "cells": cells, "structures": structures}
        scipy.io.savemat(path, variables, do_compression=compressed)
        expected = scipy.io.loadmat(path, squeeze_me=True)
        for name in numbers:
            [found] = matlab(path, name)
            assert found.dtype == expected[name].dtype
            assert (found == expected[name]).all()
        [(letter, ones, nothing)] = matlab(path, "cells")
        assert (letter, ones.tolist(), nothing) == ("ü", [[1, 1], [1, 1]], "")
        [rows] = matlab(path, "structures")
        assert [(int(row["number"]), row["text"]) for row in rows] == [(1, "a"), (2, "b")]


def test_a_compressed_variable_has_a_limit(tmp_path, monkeypatch):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"x": np.zeros(100_000)}, do_compression=True)
    assert len(matlab(path, "x")[0]) == 100_000
    monkeypatch.setattr("avalanche_mas.streams.matlab.MOST_BYTES", 50_000)
    with pytest.raises(ValueError, match="more than 50,000 bytes"):
        matlab(path, "x")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bar/\x1b[2J.jpg", r"'bar/\\x1b\[2J.jpg' has control characters"),
        ("bar/\u202egpj.jpg", "has control characters"),
        ("bar/" + "x" * 300 + ".jpg", "1 of the listed pictures are missing"),
        ("bar/" + "x" * 20_000 + ".jpg", "has 20008 characters, at most 10000"),
    ],
)
def test_names_that_no_picture_has(name, reason, tmp_path):
    write(tmp_path, "scenes")
    path = tmp_path / "indoorCVPR_09" / "TrainImages.txt"
    path.write_text(path.read_text() + name + "\n", encoding="utf-8")
    with pytest.raises((ValueError, FileNotFoundError), match=reason):
        read_lists(TASKS["scenes"], tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<xmax>15", "<xmax>1e999", "box is"),
        ("<xmax>15", "<xmax>wide", "'wide' is no number"),
        ("<phoning>0", "<phoning>no", "'no' is no number"),
    ],
)
def test_annotations_with_other_numbers(old, new, reason, tmp_path):
    write(tmp_path, "actions")
    for path in (tmp_path / "VOCdevkit" / "VOC2012" / "Annotations").glob("*.xml"):
        path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=rf"\.xml.*: .*{reason}"):
        read_lists(TASKS["actions"], tmp_path)


def test_numbers_of_pictures_may_be_floating_point_but_must_be_whole(tmp_path):
    write(tmp_path, "flowers")
    path = tmp_path / "flowers-102" / "setid.mat"
    before = read_lists(TASKS["flowers"], tmp_path)
    names = ("trnid", "valid", "tstid")
    numbers = {name: matlab(path, name)[0].astype(float) for name in names}
    scipy.io.savemat(path, numbers)
    assert read_lists(TASKS["flowers"], tmp_path) == before
    scipy.io.savemat(path, {**numbers, "valid": numbers["valid"] + 0.5})
    with pytest.raises(ValueError, match=r"setid\.mat: float64 \(\d+,\) are no whole numbers"):
        read_lists(TASKS["flowers"], tmp_path)
