"""What the command line refuses before any training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.commands.plan import TUNING_SEED


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["three-tasks"], "'eight-tasks', 'two-tasks'"),
        (["two-tasks", "--methods", "replay"], "'fine-tuning', 'joint', 'mas'"),
        (["two-tasks", "--epoch", "3"], "unknown --epoch 3; did you mean '--epochs'?"),
        (["two-tasks", "--epochs", "0"], "'0' is not a whole number of at least 1"),
        (["two-tasks", "--learning-rate", "nan"], "'nan' is not a finite number above 0"),
        (["two-tasks", "--seeds", "0,0"], "'0,0' is neither a number of seeds"),
        (["two-tasks", "--seeds=-1,2"], "neither a number of seeds"),
        (["two-tasks", "--seeds", "three"], "'three' is neither a number of seeds, such as 3,"),
        (["two-tasks", "--seeds", "1e3"], "'1e3' is neither a number of seeds, such as 3,"),
        (["two-tasks", "--seeds", ""], "'' is neither a number of seeds, such as 3,"),
        (["two-tasks", "--strength", "mas=-1"], "'-1' is not a finite number of at least 0"),
        (["two-tasks", "--strength", "mas"], "'mas' is not METHOD=STRENGTH"),
        (
            ["two-tasks", "--strength", "joint=1"],
            "the methods with a strength are mas, l-mas, ewc",
        ),
        (["two-tasks", "--model", "vgg"], "'small-cnn', 'mlp', 'squeezenet', 'alexnet'"),
        (["two-tasks", "--lambda", "inf"], "'inf' is not a finite number of at least 0"),
        (["two-tasks", "--choose", "best"], "'framework'"),
        (["two-tasks", "--wandb", "on"], "'offline', 'online', 'disabled'"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_is_known(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--tasks", "letters", "fish"], "unknown task 'fish'; the tasks are flowers, scenes"),
        (["--tasks", "letters", "letters"], "task 'letters' is given twice"),
        (["--tasks", "letters"], "two-tasks needs 2 tasks, got 1 (letters)"),
        (["--tasks", "letters", "svhn", "cars"], "two-tasks needs 2 tasks, got 3"),
        (["--stand-ins", "cars"], "--stand-ins cars: it is not one of the tasks birds scenes"),
        (["--methods", "ewc", "--strength", "mas=1"], "--strength mas=1: mas is none of ewc"),
        (["--root", "nowhere", "--weights", "none"], "nowhere does not exist"),
        (["--lambda", "1", "1.0"], "--lambda 1 1: one of these strengths is given twice"),
        (
            ["--methods", "mas", "--strength", "mas=0.1", "--strength", "mas=1"],
            "--strength: mas is given 0.1 and 1; give one of them, or all to --lambda",
        ),
        (["--lambda", "1", "--strength", "mas=2"], "--strength and --lambda both say how strong"),
        (["--lambda", "1", "--choose", "framework"], "--lambda and --choose both say how strong"),
        (["--lambda", "1", "--methods", "joint"], "--lambda: none of joint has a strength"),
        (["adaptation", "--lambda", "1"], "compares shares of one strength; leave out --lambda"),
        (["adaptation", "--choose", "framework"], "of one strength; leave out --choose"),
        (["--weights", "some.pth"], "--weights some.pth: small-cnn has no weight file"),
        (["--model", "squeezenet", "--weights", "no.pth"], "no weight file no.pth"),
        (["--image-size", "8"], "image_size must be"),
        (["--model", "alexnet", "--image-size", "62"], "alexnet takes images of 63 px or more"),
        (["--model", "vit-b-16", "--image-size", "100"], "of a multiple of 16 px, not 100"),
        (["--seeds", f"{TUNING_SEED},"], f"seeds from {TUNING_SEED} up are kept for tuning"),
        (
            ["importance-data", "--methods", "ewc"],
            "does not compare 'ewc'; its methods are fine-tuning, mas, l-mas",
        ),
        (["importance-data", "--tasks", "birds"], "importance-data needs 2 tasks, got 1"),
        (
            ["importance-data", "--stand-ins", "scenes"],
            "--stand-ins scenes: they take the place of",
        ),
        (["adaptation", "--strength", "ewc=1"], "--strength ewc=1: ewc is none of fine-tuning"),
        (
            ["local-vs-global", "--methods", "mas"],
            "does not compare 'mas'; its methods are fine-tuning",
        ),
        (["local-vs-global", "--tasks", "birds", "cars"], "local-vs-global needs 1 task, got 2"),
        (["--momentum", "0.5", "--optimizer", "adamw"], "--momentum 0.5: adamw has none; leave it"),
        (
            ["split-mnist", "--transforms", "paper"],
            "--transforms has no effect on the data of split-mnist; leave it out, or choose from "
            "--root, --stand-ins, --image-size, --scenario",
        ),
        (["permuted", "--classes", "2"], "--classes has no effect on the data of permuted"),
        (["split-mnist", "--cache", "none"], "--cache has no effect on the data of split-mnist"),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_folder_is_made(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_drawing(*_: Any, **__: Any) -> None:
        raise AssertionError("drawn before it was refused")

    monkeypatch.setattr("avalanche_mas.streams.drawn.draw", no_drawing)
    monkeypatch.setattr("benchmarks.engines.jobs.run_all", no_drawing)
    monkeypatch.chdir(tmp_path)
    experiment = ["two-tasks"] if arguments[0].startswith("--") else []
    assert main(["run", *experiment, *arguments]) == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "tune"])
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--output", "file"], "--output file: file is a file; name a folder"),
        (["--output", "file/runs"], "--output file/runs: "),
        (["--root", "file"], "--root file is a file; name the folder that holds the data"),
        (
            ["--root", "nowhere"],
            "--root nowhere does not exist; name the folder that holds the data",
        ),
    ],
)
def test_places_that_cannot_be_are_refused_before_pytorch_is_loaded(
    command: str,
    words: list[str],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path / "tuned")
    assert main([command, "eight-tasks", *words]) == 2
    out, error = capsys.readouterr()
    assert error.startswith(f"error: {complaint}")
    assert error.count("\n") == 1
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
