"""`data check`: what is wrong, what is odd, and what has changed since it was fetched."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avalanche_mas.streams import TASKS
from benchmarks.data.check import check_task
from benchmarks.data.record import RECORD, SUMS, record_source
from benchmarks.data.sources import SOURCES
from tests.benchmarks.command_lines import data as main
from tests.streams.layouts import TEST, TRAIN, WRITERS, write


@pytest.fixture
def check(tmp_path, capsys):
    """Run the command; give its status and its lines."""

    def run(*arguments):
        status = main(["check", "--root", str(tmp_path), *arguments])
        return status, capsys.readouterr().out.splitlines()

    return run


def pictures(root):
    return sorted(path for path in root.rglob("*") if path.suffix in (".jpg", ".png"))


def noisy(path, seed, **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def different(tmp_path):
    """Birds of which no two pictures are the same."""
    write(tmp_path, "birds")
    for number, path in enumerate(pictures(tmp_path)):
        noisy(path, number)
    return tmp_path


def test_whole_data_pass(tmp_path, check):
    write(tmp_path, *WRITERS)
    status, lines = check()
    assert status == 0
    assert list(dict.fromkeys(line.split(":")[0] for line in lines)) == list(TASKS)
    assert sum(line.endswith("every picture opens") for line in lines) == len(TASKS)
    assert not [line for line in lines if "WRONG" in line]


def test_everything_that_is_wrong_is_named(tmp_path, check):
    damaged = write(tmp_path, "cars")
    damaged.write_bytes(damaged.read_bytes()[:-200])
    missing = min((tmp_path / "stanford_cars" / "cars_train").iterdir())
    missing.unlink()
    status, lines = check("cars")
    assert status == 1
    assert len(lines) == 2
    assert f"cars: WRONG: {missing} is missing" in lines
    assert any(f"cars: WRONG: {damaged} is not a readable image" in line for line in lines)


def test_lists_that_disagree_are_wrong(tmp_path, check):
    write(tmp_path, "birds")
    labels = tmp_path / "CUB_200_2011" / "image_class_labels.txt"
    labels.write_text("\n".join(labels.read_text().splitlines()[:-1]))
    status, [line] = check()
    assert status == 1
    assert line.startswith("birds: WRONG: ")
    assert "no label for image" in line


def test_a_box_outside_the_image_is_wrong(tmp_path, check):
    write(tmp_path, "actions")
    image = min((tmp_path / "VOCdevkit" / "VOC2012" / "JPEGImages").iterdir())
    Image.new("RGB", (1, 1), "red").save(image)
    status, lines = check()
    assert status == 1
    assert f"actions: WRONG: {image}: the box" in lines[0]


def test_grey_pictures_are_refused_unless_named(tmp_path, check):
    write(tmp_path, "birds")
    for path in pictures(tmp_path):
        Image.open(path).convert("L").save(path)
    status, lines = check()
    assert status == 1
    assert "has any colour" in lines[0]
    status, lines = check("--stand-ins", "birds")
    assert status == 0
    assert "STAND-IN" in lines[0]


def test_a_png_named_jpg_is_noted(different, check):
    path = pictures(different)[0]
    noisy(path, 99, format="PNG")
    status, lines = check()
    assert status == 0
    assert f"birds: note: 1 PNG files named .jpg: {path}" in lines


def test_images_in_no_list_are_noted(different, check):
    first, *_ = pictures(different)
    for number in range(5):
        noisy(first.with_name(f"0 stray {number}.jpg"), 100 + number)
    status, lines = check()
    assert status == 0
    [line] = [line for line in lines if "not in any list" in line]
    assert line.startswith("birds: note: 5 images are not in any list: ")
    assert line.endswith("0 stray 2.jpg and 2 more")


@pytest.mark.usefixtures("different")
def test_nothing_odd_about_different_pictures(check):
    status, lines = check()
    assert status == 0
    assert not [line for line in lines if "warning" in line]
    assert lines[1:] == [
        f"birds: note: pictures of each class: {TRAIN} to {TRAIN} for training, "
        f"{TEST} to {TEST} for test"
    ]


def test_a_picture_for_training_and_for_test_is_a_warning(different, check):
    folder = different / "CUB_200_2011"
    names = dict(
        line.split(maxsplit=1) for line in (folder / "images.txt").read_text().splitlines()
    )
    parts = dict(
        line.split() for line in (folder / "train_test_split.txt").read_text().splitlines()
    )
    train, *more = [names[number] for number, part in parts.items() if part == "1"]
    test = next(names[number] for number, part in parts.items() if part == "0")
    shutil.copy(folder / "images" / train, folder / "images" / test)
    shutil.copy(folder / "images" / more[0], folder / "images" / more[1])
    status, lines = check()
    assert status == 0
    [line] = [line for line in lines if "warning" in line]
    assert (
        line
        == f"birds: warning: the same picture is in the training and the test set: {train} = {test}"
    )
    [line] = [line for line in lines if "more than once" in line]
    assert more[0] in line
    assert more[1] in line


def test_a_class_without_test_pictures_is_a_warning(different):
    birds = TASKS["birds"]

    def without(root):
        reading = birds.read(root)
        return replace(reading, test=tuple(s for s in reading.test if s.label))

    found = check_task(replace(birds, read=without), different)
    assert found.warnings == ["no test pictures of Black footed Albatross"]


def test_counts_of_every_class(tmp_path, check):
    write(tmp_path, "cars")
    _, lines = check("--counts")
    assert f"cars: Acura RL: {TRAIN} training, {TEST} test" in lines
    assert len([line for line in lines if line.endswith(f": {TRAIN} training, {TEST} test")]) == 3


def test_what_the_rule_leaves_out_is_noted(tmp_path, check):
    write(tmp_path, "actions")
    _, lines = check()
    assert any(
        line.startswith("actions: note: left out: ") and "persons with several actions" in line
        for line in lines
    )


@pytest.fixture
def fetched(different):
    """Birds that were fetched."""
    files = {
        path.relative_to(different).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (different / "CUB_200_2011").rglob("*")
        if path.is_file()
    }
    record_source(TASKS["birds"], different, SOURCES["birds"][0], {"url": "http://x"}, files)
    return different


@pytest.mark.usefixtures("fetched")
def test_fetched_data_pass(check):
    status, lines = check()
    assert status == 0
    assert " (fetched 2" in lines[0]


def test_what_has_changed_since_is_wrong(fetched, check):
    first, second, *_ = pictures(fetched)
    noisy(first, 99)
    second.unlink()
    status, lines = check()
    assert status == 1
    assert f"birds: WRONG: {first} has changed since it was fetched" in lines
    assert f"birds: WRONG: {second} was fetched, but is missing" in lines


@pytest.mark.parametrize("name", ["fetched.json", SUMS])
def test_a_damaged_record_is_told(fetched, check, name):
    (fetched / "CUB_200_2011" / name).write_text("{nonsense")
    status, lines = check()
    assert (status == 1) == (name == SUMS)
    assert any("fetched" in line and "remove" in line for line in lines)


def test_a_record_without_a_date_is_told(fetched, check):
    (fetched / "CUB_200_2011" / RECORD).write_text('[{"file": "CUB_200_2011.tgz"}]')
    status, lines = check()
    assert status == 0
    assert any("is not a readable record ('fetched'); remove it" in line for line in lines)


def test_every_part_is_recorded_beside_the_others(fetched):
    record_source(TASKS["birds"], fetched, SOURCES["cars"][0], {"url": "http://y"}, {"z": "0" * 64})
    lines = (fetched / "CUB_200_2011" / SUMS).read_text().splitlines()
    assert len(lines) == len(set(lines)) == 21 + 4 + 1
    assert lines[-1] == f"{'0' * 64}  z"


SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.skipif(
    not (SHARED / "English").is_dir(), reason="the shared data are not beside this checkout"
)
def test_small_real_data(capsys):
    """One picture of these letters is known to be in both sets, and digits are in no list."""
    assert main(["check", "--root", str(SHARED), "letters"]) == 0
    out = capsys.readouterr().out
    assert (
        out.count("letters: warning: the same picture is in the training and the test set: ") == 1
    )
    assert "img012-00107.png = GoodImg/Bmp/Sample012/img012-00108.png" in out
    assert "WRONG" not in out
