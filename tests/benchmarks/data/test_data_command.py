"""`python -m benchmarks data`: list, show, and bad usage."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avalanche_mas.streams import TASKS, drawn
from benchmarks.data import sources
from benchmarks.data.sheet import GAP, MARGIN, TEXT
from tests.benchmarks.command_lines import data as main
from tests.streams.layouts import TEST, TRAIN, write


def test_list_tells_every_fact(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for task in TASKS.values():
        for fact in (task.name, task.title, task.address, task.licence, task.split, task.folder):
            assert fact in out
        assert f"{task.num_classes} classes, {task.sizes}" in out
        for source in sources.SOURCES[task.name]:
            for fact in (source.file, source.place, source.by_hand, *source.urls):
                assert fact in out
    assert "CUB_200_2011.tgz (1.2 GB; MD5, SHA256)" in out
    assert "EnglishImg.tgz (size not stated; MD5)" in out
    assert "cars_train; it can no longer be downloaded" in out
    assert "  state " not in out


def states(capsys, *arguments):
    assert main(["list", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line.split(maxsplit=1)[1] for line in lines if line.startswith("  state ")]
    return dict(zip(TASKS, told, strict=True))


def test_list_tells_that_there_is_no_root_yet(tmp_path, capsys):
    for root, missing in ((tmp_path / "data", True), (tmp_path, False)):
        assert main(["list", "--root", str(root)]) == 0
        assert ("is no folder yet; data fetch makes it" in capsys.readouterr().out) == missing


def test_list_tells_the_state_under_a_root(tmp_path, capsys):
    write(tmp_path, "birds", "cars")
    write(tmp_path / "stand-ins", "scenes")
    (tmp_path / "CUB_200_2011" / "images.txt").unlink()
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "EnglishImg.tgz.part").touch()
    by_name = states(capsys, "--root", str(tmp_path), "--stand-ins", "scenes")
    assert by_name["flowers"] == "absent"
    assert by_name["scenes"] == "STAND-IN: 3 classes, 12 train, 4 validation, 5 test"
    assert by_name["birds"].startswith("not usable: birds: ")
    assert "images.txt is missing" in by_name["birds"]
    assert by_name["letters"] == "partly downloaded: 0 of 2 files installed"
    sizes = f"{3 * TRAIN} train, {3 * TEST // 2} validation, {3 * TEST // 2 + 1} test"
    assert by_name["cars"].startswith(f"3 classes, {sizes}: not complete")


def test_list_tells_what_was_installed_of_several_files(tmp_path, capsys):
    write(tmp_path, "svhn")
    (tmp_path / "svhn" / "test_32x32.mat").unlink()
    told = states(capsys, "--root", str(tmp_path))["svhn"]
    assert told.startswith("partly downloaded: 1 of 2 files installed; not usable: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--root", "nowhere"], "none of the data sets is in nowhere"),
        (["check", "--root", "nowhere", "birds"], "the data folder nowhere does not exist"),
        (["check", "--root", ".", "birdz"], "unknown task 'birdz'; the tasks are flowers"),
        (["list", "--stand-ins", "birdz"], "unknown task 'birdz'"),
        (["fetch", "--root", ".", "birdz"], "unknown task 'birdz'"),
        (["show", "birdz"], "unknown task 'birdz'"),
        (["show"], "name one task to show, or say --all; the tasks are flowers"),
        (["show", "birds", "--all"], "name one task to show, or say --all"),
        (["show", "birds", "--image-size", "8"], "--image-size must be at least 16, not 8"),
        (["show", "--all", "--image-size", "8"], "--image-size must be at least 16, not 8"),
        (["show", "birds", "--image-size", "999"], "size must be 16 to 256 pixels, got 999"),
        (["show", "birds", "--each", "51"], "there are only 50 drawn pictures of each class"),
        (["show", "birds", "--root", "."], "birds: there is no folder"),
        (["show", "--all", "--root", "."], "none of the data sets is in ."),
        (["show", "--all", "--root", "nowhere"], "the data folder nowhere does not exist"),
    ],
)
def test_bad_usage_is_told_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [("--each", "0"), ("--classes", "0"), ("--tile", "-1")])
def test_numbers_of_the_sheet_are_at_least_1(wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["show", "birds", *wrong])
    told = f"argument {wrong[0]}: '{wrong[1]}' is not a whole number of at least 1"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("command", ["list", "fetch", "check", "show"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"data {command}" in capsys.readouterr().out


def opened(path):
    with Image.open(path) as image:
        return image.convert("RGB")


def test_show_real_pictures(tmp_path, capsys):
    write(tmp_path, "birds")
    out = tmp_path / "sheet.png"
    size = ["--each", "2", "--tile", "50", "--image-size", "100"]
    assert main(["show", "birds", "--root", str(tmp_path), "--out", str(out), *size]) == 0
    sheet = opened(out)
    width, height = 2 * 50 + GAP + MARGIN, TEXT + 4 + 50 + MARGIN
    assert sheet.width == MARGIN + 2 * width
    for number in range(3):  # two classes below each other, then the third; each has its colour
        left, top = MARGIN + number // 2 * width, 2 * MARGIN + TEXT + number % 2 * height
        pixel = sheet.getpixel((left + 25, top + TEXT + 4 + 25))
        assert max(range(3), key=lambda i, p=pixel: p[i]) == number
    told = capsys.readouterr().out
    assert str(out) in told
    assert "CUB-200-2011, real: all 3 classes, 100 x 100 pixels" in told
    assert [path.name for path in tmp_path.glob("*sheet*")] == ["sheet.png"]


def test_show_cuts_the_middle_out_with_the_papers_transforms(tmp_path):
    """A tall picture is red above and below its middle square."""
    write(tmp_path, "birds")
    for path in tmp_path.rglob("*.jpg"):
        image = Image.new("RGB", (64, 192), "red")
        image.paste("blue", (0, 56, 64, 136))
        image.save(path)
    seen = {}
    for transforms in ("shift", "paper"):
        out = tmp_path / f"{transforms}.png"
        more = ["--tile", "64", "--image-size", "64", "--each", "1", "--transforms", transforms]
        main(["show", "birds", "--root", str(tmp_path), "--out", str(out), *more])
        tile = opened(out).crop((MARGIN, 50, MARGIN + 64, 114))
        seen[transforms] = share_of_red(tile)
    assert seen["shift"] > 0.4
    assert seen["paper"] == 0


def share_of_red(image):
    pixels = np.asarray(image)
    return np.mean((pixels[..., 0] > 150) & (pixels[..., 2] < 100))


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(drawn, "IMAGES_PER_CLASS", {"train": 2, "valid": 2})


@pytest.mark.usefixtures("few")
def test_show_drawn_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["show", "svhn", "--each", "2", "--classes", "3"]) == 0
    assert opened(tmp_path / "svhn.png").getcolors(9) is None
    assert "drawn by code in its place: 3 of 10 classes, 32 x 32 pixels" in capsys.readouterr().out


@pytest.mark.usefixtures("few")
def test_small_pictures_are_enlarged_by_whole_pixels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["show", "svhn", "--each", "1", "--classes", "1", "--tile", "70"])
    tile = 64  # twice 32
    sheet = opened(Path("svhn.png"))
    assert sheet.width == MARGIN + tile + MARGIN
    top = 2 * MARGIN + TEXT + TEXT + 4
    small = sheet.crop((MARGIN, top, MARGIN + tile, top + tile))
    assert small.resize((32, 32), Image.Resampling.NEAREST).resize((64, 64), 0) == small


@pytest.mark.usefixtures("few")
def test_show_all_tasks(tmp_path, capsys):
    out = tmp_path / "tasks.png"
    assert main(["show", "--all", "--out", str(out)]) == 0
    sheet = opened(out)
    assert sheet.height == 2 * MARGIN + 8 * (64 + GAP) - GAP
    rows = [sheet.getpixel((sheet.width - 40, MARGIN + i * 66 + 32)) for i in range(8)]
    assert len(set(rows)) == 8
    assert "8 tasks, 12 pictures each" in capsys.readouterr().out


def test_show_all_real_tasks_that_are_there(tmp_path):
    write(tmp_path, "birds", "cars")
    write(tmp_path / "stand-ins", "scenes")
    out, root = tmp_path / "tasks.png", str(tmp_path)
    assert main(["show", "--all", "--root", root, "--stand-ins", "scenes", "--out", str(out)]) == 0
    assert opened(out).height == 2 * MARGIN + 3 * (64 + GAP) - GAP
