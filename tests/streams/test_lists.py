"""Lists as they should not be, and what is told of what is left out."""

import shutil

import numpy as np
import pytest
import scipy.io
from layouts import TEST, TRAIN, WRITERS, person, text, write
from PIL import Image

from avalanche_mas.streams import TASKS, task_stream
from avalanche_mas.streams.duplicates import Duplicate, find_duplicates
from avalanche_mas.streams.registry import read_lists

SIZE = 16


def read(name, root):
    return read_lists(TASKS[name], root)


def listing(reading):
    return [
        [(sample.picture.name, sample.label) for sample in part]
        for part in (reading.train, reading.test)
    ]


def texts(root):
    return [path for path in root.rglob("*") if path.suffix in (".txt", ".m", ".xml")]


@pytest.mark.parametrize("name", WRITERS)
def test_windows_line_ends_and_a_byte_order_mark(name, tmp_path):
    write(tmp_path, name)
    before = read(name, tmp_path)
    for path in texts(tmp_path):
        content = path.read_bytes().replace(b"\n", b"\r\n")
        path.write_bytes(b"\xef\xbb\xbf" + content)
    after = read(name, tmp_path)
    assert listing(after) == listing(before)
    assert after.classes == before.classes


def test_a_list_that_is_not_utf8_is_named(tmp_path):
    write(tmp_path, "aircraft")
    path = tmp_path / "fgvc-aircraft-2013b" / "data" / "variants.txt"
    path.write_bytes("Dassault Falcon é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"variants\.txt is not UTF-8 text"):
        read("aircraft", tmp_path)


@pytest.mark.parametrize("root", ["ein Ordner – 数据"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_root_with_blanks_and_other_letters(name, root, tmp_path):
    write(tmp_path / root, name)
    [task] = task_stream([name], tmp_path / root, image_size=SIZE).tasks
    assert task.sizes.train in (3 * TRAIN, 10 * TRAIN)


def test_names_with_blanks_and_other_letters(tmp_path):
    write(tmp_path, "scenes")
    folder = tmp_path / "indoorCVPR_09"
    (folder / "Images" / "bar").rename(folder / "Images" / "café 酒吧")
    for part in ("Train", "Test"):
        path = folder / f"{part}Images.txt"
        path.write_text(path.read_text().replace("bar/", "café 酒吧/"), encoding="utf-8")
    reading = read("scenes", tmp_path)
    assert sorted(reading.classes) == ["airport inside", "café 酒吧", "closet"]
    for sample in reading.train:
        sample.picture.open()


@pytest.mark.parametrize("part", ["Train", "Test"])
def test_a_picture_that_is_listed_twice(part, tmp_path):
    write(tmp_path, "scenes")
    folder = tmp_path / "indoorCVPR_09"
    again = (folder / f"{part}Images.txt").read_text().split("\n")[0]
    path = folder / "TestImages.txt"
    text(path, [*path.read_text().split("\n"), again])
    with pytest.raises(ValueError, match=f"scenes: the picture {again} is listed 2 times"):
        read("scenes", tmp_path)


@pytest.mark.parametrize("which", ["images", "image_class_labels", "train_test_split", "classes"])
def test_two_lines_for_one_number(which, tmp_path):
    write(tmp_path, "birds")
    path = tmp_path / "CUB_200_2011" / f"{which}.txt"
    text(path, [*path.read_text().splitlines(), "2 1"])
    with pytest.raises(ValueError, match=rf"{which}\.txt: there are 2 lines for '2'"):
        read("birds", tmp_path)


def test_a_label_that_is_not_that_of_the_folder(tmp_path):
    write(tmp_path, "birds", "letters")
    path = tmp_path / "CUB_200_2011" / "image_class_labels.txt"
    rows = path.read_text().splitlines()
    number, label = rows[4].split()
    rows[4] = f"{number} {int(label) % 3 + 1}"
    text(path, rows)
    with pytest.raises(ValueError, match=r"image_class_labels\.txt: image 5, 00.* is not of class"):
        read("birds", tmp_path)
    path = tmp_path / "ListsTXT" / "list_English_Img.m"
    path.write_text(path.read_text().replace("36;", "37;", 1))
    with pytest.raises(ValueError, match="has label 37, but is not under Sample037"):
        read("letters", tmp_path)


def test_a_number_of_a_picture_that_is_not_there(tmp_path):
    write(tmp_path, "letters")
    path = tmp_path / "ListsTXT" / "list_English_Img.m"
    path.write_text(path.read_text().replace("0 0", "99 0"))
    with pytest.raises(ValueError, match="TSTind has 99, but there are 23 names"):
        read("letters", tmp_path)


def test_labels_without_an_image_are_told(tmp_path):
    write(tmp_path, "birds")
    path = tmp_path / "CUB_200_2011" / "images.txt"
    text(path, path.read_text().splitlines()[:-2])
    assert read("birds", tmp_path).left_out == {"labels without an image": 2}


def test_pictures_in_no_set_are_told(tmp_path):
    write(tmp_path, "flowers")
    path = tmp_path / "flowers-102" / "setid.mat"
    ids = scipy.io.loadmat(path, squeeze_me=True)
    kept = {key: ids[key] for key in ("trnid", "valid", "tstid")}
    scipy.io.savemat(path, {**kept, "tstid": kept["tstid"][:-3]})
    found = read("flowers", tmp_path)
    assert found.left_out == {"pictures in no set": 3, "classes without pictures": 99}


def test_an_empty_class_is_left_out_and_told(tmp_path):
    write(tmp_path, "aircraft")
    folder = tmp_path / "fgvc-aircraft-2013b" / "data"
    text(folder / "variants.txt", ["707-320", "737-200", "A300B4", "Eurofighter Typhoon"])
    reading = read("aircraft", tmp_path)
    assert reading.classes == ("707-320", "A300B4", "Eurofighter Typhoon")
    assert reading.left_out == {"classes without pictures": 1}
    rows = (folder / "images_variant_test.txt").read_text().splitlines()
    text(folder / "images_variant_test.txt", [row for row in rows if "A300B4" not in row])
    told = {"classes without pictures": 1, "classes without test pictures": 1}
    assert read("aircraft", tmp_path).left_out == told
    [task] = task_stream(["aircraft"], tmp_path, image_size=SIZE).tasks
    assert task.left_out == told


def test_digits_are_left_out_and_told_and_bad_letters_are_taken(tmp_path):
    write(tmp_path, "letters")
    reading = read("letters", tmp_path)
    assert reading.left_out == {"digits": 2, "classes without pictures": 49}
    bad = [s for s in reading.train if "/BadImag/" in f"/{s.picture.name}"]
    assert len(bad) == TRAIN
    assert {reading.classes[s.label] for s in bad} == {"B"}


def test_persons_with_several_actions_or_none_are_left_out_and_told(tmp_path):
    write(tmp_path, "actions")
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    reading = read("actions", tmp_path)
    assert reading.left_out["persons with several actions"] == 2  # one in each part
    image = (folder / "ImageSets" / "Action" / "val.txt").read_text().split()[1]
    path = folder / "Annotations" / f"{image}.xml"
    path.write_text(path.read_text().replace(">1<", ">0<"))
    found = read("actions", tmp_path)
    assert found.left_out["persons without an action"] == 1
    assert len(found.test) == len(reading.test) - 1


def test_lists_of_images_and_lists_of_persons(tmp_path):
    """The official lists name images; a list may also name single objects of them."""
    write(tmp_path, "actions")
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    horse = "<object><name>horse</name><bndbox/></object>"
    image = (folder / "ImageSets" / "Action" / "train.txt").read_text().split()[1]
    two = [horse, person("phoning"), person("other", box=(1, 1, 9, 9))]
    text(folder / "Annotations" / f"{image}.xml", ["<annotation>", *two, "</annotation>"])
    reading = read("actions", tmp_path)
    found = {s.picture.name: s.label for s in reading.train if image in s.picture.name}
    assert found == {f"{image}/2": 1, f"{image}/3": 2}  # phoning, other; the horse is no person
    path = folder / "ImageSets" / "Action" / "train.txt"
    path.write_text(path.read_text().replace(f"{image}\n", f"{image} 3\n"))
    found = [s.picture.name for s in read("actions", tmp_path).train if image in s.picture.name]
    assert found == [f"{image}/3"]
    path.write_text(path.read_text().replace(f"{image} 3\n", f"{image} 1\n"))
    with pytest.raises(ValueError, match=rf"{image}\.xml, object 1: it has no actions"):
        read("actions", tmp_path)


def test_nothing_is_the_same_in_different_pictures(tmp_path):
    write(tmp_path, "svhn")
    assert find_duplicates(read("svhn", tmp_path)) == ()
    write(tmp_path, "cars")
    generator = np.random.default_rng(0)
    for path in tmp_path.rglob("*.jpg"):
        Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    assert find_duplicates(read("cars", tmp_path)) == ()


def test_files_of_the_same_content_are_found(tmp_path):
    write(tmp_path, "cars")
    generator = np.random.default_rng(0)
    for path in tmp_path.rglob("*.jpg"):
        Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    reading = read("cars", tmp_path)
    one, two, three = (sample.picture for sample in reading.train[:3])
    four, five = (sample.picture for sample in reading.test[:2])
    shutil.copy(one.path, four.path)
    shutil.copy(two.path, three.path)
    assert set(find_duplicates(reading)) == {
        Duplicate((one.name,), (four.name,)),
        Duplicate((two.name, three.name), ()),
    }
    assert [found.across for found in find_duplicates(reading)] == [True, False]
    five.path.unlink()
    with pytest.raises(FileNotFoundError):
        find_duplicates(reading)


def test_arrays_of_the_same_content_are_found(tmp_path):
    write(tmp_path, "svhn")
    path = tmp_path / "svhn" / "test_32x32.mat"
    content = scipy.io.loadmat(path)
    train = scipy.io.loadmat(tmp_path / "svhn" / "train_32x32.mat")
    content["X"][..., 3] = train["X"][..., 5]
    scipy.io.savemat(path, {key: content[key] for key in "Xy"})
    assert find_duplicates(read("svhn", tmp_path)) == (
        Duplicate(("train/000005",), ("test/000003",)),
    )


def test_persons_of_one_image_are_the_same_across_the_sets_only(tmp_path):
    write(tmp_path, "actions")
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    generator = np.random.default_rng(0)
    for path in tmp_path.rglob("*.jpg"):
        Image.fromarray(generator.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(path)
    image = (folder / "ImageSets" / "Action" / "train.txt").read_text().split()[1]
    text(
        folder / "Annotations" / f"{image}.xml",
        ["<annotation>", person("phoning"), person("other"), "</annotation>"],
    )
    assert find_duplicates(read("actions", tmp_path)) == ()
    path = folder / "ImageSets" / "Action" / "val.txt"
    text(path, [*path.read_text().split("\n"), f"{image} 2"])
    path = folder / "ImageSets" / "Action" / "train.txt"
    path.write_text(path.read_text().replace(f"{image}\n", f"{image} 1\n"))
    assert find_duplicates(read("actions", tmp_path)) == (
        Duplicate((f"{image}/1",), (f"{image}/2",)),
    )


@pytest.mark.parametrize("name", WRITERS)
def test_stand_ins_of_every_task_are_read_only_by_name_and_are_marked(name, tmp_path):
    write(tmp_path / "stand-ins", name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=f"{name}: there is no folder"):
        task_stream([name], tmp_path, image_size=SIZE)
    stream = task_stream([name], tmp_path, image_size=SIZE, stand_ins=[name])
    below = task_stream([name], tmp_path / "stand-ins", image_size=SIZE)
    for found in (stream, below):
        [task] = found.tasks
        assert found.stand_ins == [name]
        assert (task.stand_in, task.as_published, task.complete) == (True, False, False)
        assert task.agreement == "stand-in"


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "svhn"])
def test_grey_pictures_of_every_task_are_refused_unless_asked_for(name, tmp_path):
    write(tmp_path, name)
    for path in [*tmp_path.rglob("*.jpg"), *tmp_path.rglob("*.png")]:
        Image.open(path).convert("L").save(path)
    with pytest.raises(ValueError, match=f"{name}: no picture under .* has any colour"):
        task_stream([name], tmp_path, image_size=SIZE)
    [task] = task_stream([name], tmp_path, image_size=SIZE, stand_ins=[name]).tasks
    assert task.stand_in
    assert task.sizes == (3 * TRAIN, 3 * TEST // 2, 3 * TEST // 2 + 1)
