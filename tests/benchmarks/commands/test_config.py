"""Configuration files: what they say, what has precedence, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.record.files import RESULTS
from benchmarks.record.recipe import completed
from benchmarks.record.schema import CONFIG
from benchmarks.record.settings import Settings
from benchmarks.run.job import Job
from benchmarks.run.names import folder_of
from tests.benchmarks.command_lines import record_tuning, run

RECORDED = [
    next(folder.rglob(CONFIG)) for folder in sorted(RESULTS.iterdir()) if list(folder.rglob(CONFIG))
]
EVERYTHING = """
experiment: two-tasks
methods: [mas, ewc]
tasks: [letters, svhn]
seeds: [0, 7]
strength: {mas: 0.3, ewc: 1e-2}
batch_size: 8
learning-rate: 1e-3
gradient_clip: none
tensorboard: true
"""


def file_with(folder: Path, text: str, name: str = "study.yaml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_a_file_says_what_a_command_line_says(tmp_path: Path) -> None:
    said = parse("run", "", ["--config", file_with(tmp_path, EVERYTHING)])
    words = (
        "two-tasks --methods mas ewc --tasks letters svhn --seeds 0,7 --batch-size 8 --tensorboard"
    )
    words += " --strength mas=0.3 ewc=0.01 --learning-rate 0.001 --gradient-clip none"
    typed = parse("run", "", words.split())
    assert {**vars(said), "config": None} == vars(typed)
    assert {one.strength_from for one in plan(said)} == {"the configuration file"}


def test_the_command_line_has_precedence_over_a_file_and_that_over_a_protocol(
    tmp_path: Path,
) -> None:
    text = "protocol: survey\nroot: DIR\nbatch_size: 8\nepochs: 3\nlambda: [1, 3]"
    words = ["--config", file_with(tmp_path, text), "--epochs", "2", "--strength", "mas=2"]
    options = parse("run", "", ["eight-tasks", "--methods", "mas", *words])
    assert (options.epochs, options.batch_size, options.momentum) == (2, 8, 0.9)
    assert (options.strength, options.lambda_, options.choose) == ((("mas", 2.0),), (), None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("batch_sizes: 8", "--help lists no option batch_sizes; did you mean 'batch_size'?"),
        ("config: other.yaml", "--help lists no option config"),
        ("batch_size: 8\nbatch-size: 9", "batch_size is given twice"),
        ("batch_size: 8\nbatch_size: 9", "batch_size is given twice"),
        ("model: alexnett", "nor a path such as my_module:name; did you mean 'alexnet'?"),
        ("wandb: ofline", "wandb is 'ofline', not one of offline, online, disabled; did you mean"),
        (
            "experiment: eight-task",
            "; did you mean 'eight-tasks'?",
        ),
        ("epochs: 0", "argument --epochs: '0' is not a whole number of at least 1"),
        ("epochs: two", "argument --epochs: 'two' is not a whole number of at least 1"),
        ("epochs: [1, 2]", "epochs takes a value, not the list 1, 2"),
        ("epochs:", "argument --epochs: 'none' is not a whole number"),
        ("epochs: [[1]]", "epochs is not a plain value"),
        ("methods: [mas, --epochs]", "methods is not a plain value"),
        ("methods: []", "methods takes a value, not the list of none"),
        ("tensorboard: 1", "tensorboard is true or false, not 1"),
        ("strength: {joint: 1}", "the methods with a strength are mas"),
        ("- epochs", "it holds no options, such as `batch_size: 32`"),
        ("", "it holds no options"),
        ("epochs: [1", "it is no YAML (while parsing a flow sequence"),
        ("[" * 5000, "it is no YAML"),
    ],
)
def test_what_a_file_cannot_say_is_one_line_that_names_it(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_with(tmp_path, text)
    assert main(["run", "eight-tasks", "--config", file]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: --config {file}: ")
    assert complaint in said
    assert said.count("\n") == 1


def test_the_home_folder_may_be_said_in_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    text = (
        'experiment: eight-tasks\nroot: ~/data\noutput: ~/runs\ncache: "~/cache"\nweights: ~/w.pth'
    )
    options = parse("run", "", ["--config", file_with(tmp_path, text)])
    assert (options.root, options.output) == (tmp_path / "data", tmp_path / "runs")
    assert (options.cache, options.weights) == (str(tmp_path / "cache"), str(tmp_path / "w.pth"))


def test_a_missing_file_or_experiment_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--config", str(tmp_path / "no.yaml")]) == 2
    assert "no.yaml: there is no such file\n" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["run", "--epochs", "2"])
    assert "name an experiment: eight-tasks, two-tasks" in capsys.readouterr().err


def test_a_run_s_own_configuration_repeats_it(tiny: list[Job], tmp_path: Path) -> None:
    """Notes included, also where a strength was tuned."""
    asked = ("--methods", "l-mas", "--seeds", "4,", "--gradient-clip", "none", "--patience", "3")
    assert run(tmp_path / "first", *asked, "--momentum", "0.5", "--penalty", "damped") == 0
    folder = Path("two-tasks", "letters-svhn", "l-mas", "seed4")
    first = tmp_path / "first" / folder / CONFIG
    words = ["--config", str(first), "--output", str(tmp_path / "again")]
    assert main(["run", *words, "--wandb", "disabled"]) == 0
    assert (tmp_path / "again" / folder / CONFIG).read_text() == first.read_text()
    assert len(tiny) == 2


@pytest.mark.parametrize("config", RECORDED, ids=lambda file: "-".join(file.parts[-4:-1]))
def test_recorded_runs_are_asked_for_by_their_configuration(config: Path) -> None:
    old = json.loads(config.read_text())
    words = [] if old["source"] == "drawn" else ["--root", f"/somewhere/{old['root_note']}"]
    (asked,) = plan(parse("run", "", ["--config", str(config), *words]))
    new = asked.as_json()
    other = {name for name, value in completed(old).items() if new[name] != value}
    assert other <= {"samples", "weights", "root_note"}
    assert folder_of(asked, Path()).parts[0] == old["experiment"]


def test_one_run_of_an_experiment_of_many_is_repeated(tmp_path: Path) -> None:
    for words in (
        ["importance-data", "--methods", "mas"],
        ["adaptation", "--methods", "mas"],
        ["orders", "--orders", "3", "--methods", "mas"],
        ["permuted", "--permutations", "4", "--methods", "mas"],
        ["eight-tasks", "--methods", "mas", "--lambda", "0.1", "0.3"],
        ["eight-tasks", "--methods", "mas", "--choose", "framework"],
        ["split-mnist", "--methods", "mas", "--root", "DIR", "--stand-ins", "mnist"],
    ):
        for one in plan(parse("run", "", words)):
            file = file_with(tmp_path, json.dumps(one.as_json()), CONFIG)
            assert plan(parse("run", "", ["--config", file])) == [one]


def test_what_is_said_beside_a_run_s_configuration_changes_it(tmp_path: Path) -> None:
    (one,) = plan(parse("run", "", ["eight-tasks", "--methods", "mas"]))
    file = file_with(tmp_path, json.dumps(one.as_json()), CONFIG)
    (other,) = plan(parse("run", "", ["--config", file, "--strength", "mas=9", "--epochs", "3"]))
    assert (other.strength, other.strength_from, other.epochs) == (9.0, "the command line", 3)
    grid = plan(parse("run", "", ["--config", file, "--lambda", "1", "2"]))
    assert [run.strength for run in grid] == [1.0, 2.0]


def test_what_is_changed_of_a_run_that_followed_a_protocol_is_noted(tmp_path: Path) -> None:
    words = ["eight-tasks", "--protocol", "paper", "--root", "DIR", "--methods", "mas"]
    words += ["--classes", "5", "--batch-size", "8"]

    def changed(*more: str) -> Settings:
        (one,) = plan(parse("run", "", words))
        file = file_with(tmp_path, json.dumps(one.as_json()), CONFIG)
        (found,) = plan(parse("run", "", ["--config", file, *more]))
        return found

    assert changed().protocol == "paper, with other classes, batch_size"
    found = changed("--epochs", "2", "--batch-size", "200", "--optimizer", "adam")
    assert found.protocol == "paper, with other classes, epochs, optimizer, momentum"
    assert (found.strength, found.strength_from) == (1.0, "the protocol paper")
    other = changed("--methods", "ewc-repaired")
    assert (other.strength, other.strength_from) == (400.0, "what is usual, not tuned")


def test_a_tuned_strength_in_a_run_that_is_repeated_with_changes_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path)
    record_tuning(tmp_path / "eight-tasks-drawn.json", parse("run", "", ["eight-tasks"]), mas=3.5)
    (one,) = plan(parse("run", "", ["eight-tasks", "--methods", "mas"]))
    file = file_with(tmp_path, json.dumps(one.as_json()), CONFIG)
    words = ["--config", file, "--epochs", "2", "--learning-rate", "0.5", "--device", "cuda"]
    (other,) = plan(parse("run", "", words))
    assert other.strength == 3.5
    assert other.strength_from == "tuning on validation data, with other epochs, learning_rate"


def test_data_unlike_those_of_the_run_are_told(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "first", "--methods", "mas") == 0
    file = tiny[0].folder / CONFIG
    content = json.loads(file.read_text())
    content["samples"]["letters"][0] = 99
    file.write_text(json.dumps(content))
    assert main(["run", "--config", str(file), "--output", str(tmp_path / "again")]) == 0
    assert f"unlike {file}: samples {{'letters': [24, 12, 12]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"epochs": "three"}, "it['epochs'] is 'three', expected a whole number"),
        ({"epochs": None}, "lacks 'epochs'; a file of options has the names of options"),
        ({"model": "vgg"}, "'vgg' is neither one of"),
    ],
)
def test_a_damaged_configuration_of_a_run_is_refused(
    change: dict[str, Any], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = plan(parse("run", "", ["eight-tasks"]))[0].as_json() | change
    kept = {name: value for name, value in content.items() if name != "epochs" or value}
    file = file_with(tmp_path, json.dumps(kept), CONFIG)
    assert main(["run", "--config", file]) == 2
    assert complaint in capsys.readouterr().err


def test_a_protocol_beside_a_run_s_configuration_is_refused(tmp_path: Path) -> None:
    content = plan(parse("run", "", ["eight-tasks"]))[0]
    assert isinstance(content, Settings)
    file = file_with(tmp_path, json.dumps(content.as_json()), CONFIG)
    with pytest.raises(ValueError, match=r"--protocol paper has no effect beside .*config\.json"):
        parse("run", "", ["--config", file, "--protocol", "paper"])
