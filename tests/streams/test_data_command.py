"""`python -m benchmarks data`: list, check and show."""

import pytest
from layouts import TEST, TRAIN, WRITERS, write
from PIL import Image

from avalanche_mas.streams import TASKS, drawn
from benchmarks.data import TILE, main


def test_list_tells_every_fact(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for task in TASKS.values():
        for fact in (task.name, task.title, task.address, task.licence, task.split, task.folder):
            assert fact in out
        assert f"{task.num_classes} classes, {task.sizes.train} train" in out
    assert "  state " not in out


def test_list_tells_the_state_under_a_root(tmp_path, capsys):
    write(tmp_path, "birds", "cars")
    write(tmp_path / "stand-ins", "scenes")
    (tmp_path / "CUB_200_2011" / "images.txt").unlink()
    assert main(["list", "--root", str(tmp_path), "--stand-ins", "scenes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    states = [line.split(maxsplit=1)[1] for line in lines if line.startswith("  state ")]
    by_name = dict(zip(TASKS, states, strict=True))
    assert by_name["flowers"] == "absent"
    assert by_name["scenes"] == "STAND-IN: 3 classes, 12 train, 4 validation, 5 test"
    assert by_name["birds"].startswith("not usable: birds: ")
    assert "images.txt is missing" in by_name["birds"]
    counts = f"3 classes, {3 * TRAIN} train, {3 * TEST // 2} validation, {3 * TEST // 2 + 1} test"
    assert by_name["cars"] == f"differs from the published sizes: {counts}"


def test_check_passes_whole_data_and_says_which(tmp_path, capsys):
    write(tmp_path, *WRITERS)
    assert main(["check", "--root", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(TASKS)
    assert all(line.endswith("every picture opens") for line in lines)


def test_check_names_everything_that_is_wrong(tmp_path, capsys):
    damaged = write(tmp_path, "cars")
    damaged.write_bytes(damaged.read_bytes()[:-200])
    missing = min((tmp_path / "stanford_cars" / "cars_train").iterdir())
    missing.unlink()
    assert main(["check", "--root", str(tmp_path), "cars"]) == 1
    out = capsys.readouterr().out
    assert f"cars: WRONG: {missing} is missing" in out
    assert f"cars: WRONG: {damaged} is not a readable image" in out
    assert len(out.splitlines()) == 2


def test_check_refuses_grey_pictures_unless_named(tmp_path, capsys):
    write(tmp_path, "birds")
    for path in tmp_path.rglob("*.jpg"):
        Image.open(path).convert("L").save(path)
    assert main(["check", "--root", str(tmp_path)]) == 1
    assert "has any colour" in capsys.readouterr().out
    assert main(["check", "--root", str(tmp_path), "--stand-ins", "birds"]) == 0
    assert "STAND-IN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--root", "nowhere"], "none of the data sets is in nowhere"),
        (["check", "--root", "nowhere", "birds"], "the data folder nowhere does not exist"),
        (["check", "--root", ".", "birdz"], "unknown task 'birdz'; the tasks are flowers"),
        (["list", "--stand-ins", "birdz"], "unknown task 'birdz'"),
        (["show", "birdz"], "unknown task 'birdz'"),
        (["show", "birds", "--each", "0"], "--each must be at least 1, not 0"),
        (["show", "birds", "--root", "."], "birds: there is no folder"),
    ],
)
def test_bad_usage_is_told_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("error: ")
    assert len(captured.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_show_real_pictures(tmp_path, capsys):
    write(tmp_path, "birds")
    out = tmp_path / "sheet.png"
    assert main(["show", "birds", "--root", str(tmp_path), "--out", str(out), "--each", "2"]) == 0
    sheet = Image.open(out)
    assert sheet.size == (3 * (2 * TILE + 8), TILE + 14)
    for column in range(3):  # one class a column, each of its own colour
        pixel = sheet.getpixel((column * (2 * TILE + 8) + 10, 40))
        assert max(range(3), key=lambda i, p=pixel: p[i]) == column
    assert str(out) in capsys.readouterr().out
    assert [path.name for path in tmp_path.glob("*sheet*")] == ["sheet.png"]


def test_show_drawn_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn, "IMAGES_PER_CLASS", {"train": 1})
    monkeypatch.chdir(tmp_path)
    assert main(["show", "svhn"]) == 0
    assert Image.open(tmp_path / "svhn.png").getcolors(9) is None
