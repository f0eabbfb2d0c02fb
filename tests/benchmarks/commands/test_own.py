"""Methods, networks and streams of a user, named on the command line by import path."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.record.imported import source_digest
from benchmarks.record.schema import CONFIG, RESULT, VERSIONS
from benchmarks.report import print_report
from benchmarks.run.checkpoint import identity
from benchmarks.run.job import Job
from tests.benchmarks import own

HERE = own.__name__

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
    pytest.mark.usefixtures("here"),
]


def command(output: Path, stream: str = "stream", *more: str) -> list[str]:
    small = ["--epochs", "1", "--batch-size", "4", "--output", str(output)]
    return ["run", "own", "--stream", f"{HERE}:{stream}", *small, *more]


def test_a_stream_a_network_and_a_method_of_ones_own(
    here: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--model", f"{HERE}:classifier", "--methods", "mas", f"{HERE}:METHOD")
    assert main(command(tmp_path, "stream", *more)) == 0
    said = capsys.readouterr().out
    assert f"reading the data: {HERE}:stream (own)" in said
    assert f"{HERE}:classifier: heads on 16 features" in said
    assert main(command(tmp_path, "stream", *more)) == 0
    assert capsys.readouterr().out.count("already there") == len(here) == 2
    folder = tmp_path / "own" / f"{HERE}.METHOD" / "seed0"
    config = json.loads((folder / CONFIG).read_text())
    expected = {"method": f"{HERE}:METHOD", "model": f"{HERE}:classifier", "strength": 0.01}
    expected |= {"stream": f"{HERE}:stream", "source": "own", "tasks": ["near", "far"]}
    assert {name: config[name] for name in expected} == expected
    assert config["samples"] == {"near": [12, 12, 12], "far": [12, 12, 12]}
    used = json.loads((folder / VERSIONS).read_text())
    digests = {source_digest(f"{HERE}:{name}") for name in ("METHOD", "classifier", "stream")}
    assert {used[f"{HERE}:{name}"] for name in ("METHOD", "classifier", "stream")} == digests
    assert main(command(tmp_path, "with_one_head", *more)) == 2
    assert (
        f"holds a run with another configuration: stream is '{HERE}:stream' there"
        in capsys.readouterr().err
    )


def test_a_report_shows_the_title_and_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        main(command(tmp_path, "stream", "--methods", "joint", "fine-tuning", f"{HERE}:METHOD"))
        == 0
    )
    monkeypatch.setitem(sys.modules, HERE, None)  # importing it would now be an error
    shown = io.StringIO()
    (page,) = print_report([tmp_path], tmp_path / "report", formats=["html"], stream=shown)
    for text in (shown.getvalue(), page.read_text(encoding="utf-8")):
        assert "Weight decay" in text
    assert f"{HERE}:METHOD" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("stream", ["with_one_head", "with_a_head_each", "without_task_labels"])
def test_any_benchmark_of_avalanches(
    stream: str, here: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = ("fine-tuning", "joint", "mas", "lwf", "imm-mode", "ewc-repaired", "si-repaired")
    more = ("--model", f"{HERE}:features", "--methods", *methods)
    assert main(command(tmp_path, stream, *more)) == 0
    too_strong = "one head for all tasks: the usual λ are for a head for each task"
    assert (too_strong in capsys.readouterr().out) == (stream != "with_a_head_each")
    assert len(here) == len(methods)
    for job in here:
        result = json.loads((job.folder / RESULT).read_text())
        assert (result["tasks"], result["classes"]) == (["task-1", "task-2"], [2, 2])
        assert np.isfinite(np.array(result["accuracy"][1], dtype=float)).all()


@pytest.mark.parametrize(
    "asked", [["--evaluate-on", "valid"], ["--patience", "1"], ["--choose", "framework"]]
)
def test_what_needs_validation_data_is_refused_without(
    asked: list[str], here: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(tmp_path, "with_one_head", *asked)) == 2
    said = capsys.readouterr().err
    assert f"--stream {HERE}:with_one_head: it has no valid stream, and {asked[0]}" in said
    assert here == []


REFUSED = {
    "--methods no_such_module:METHOD": "No module named 'no_such_module'; give package.module:name",
    f"--methods {HERE}:NOTHING": "has no attribute 'NOTHING'; give package.module:name",
    f"--methods {HERE}:HERE.x": "has no attribute 'HERE'",
    f"--methods {HERE}:Decay": "not a benchmarks.methods.Method; docs/your-own.md",
    f"--methods {HERE}:JOINT": "joint=True), which only `joint` may",
    f"--methods {HERE}:NAMESAKE": "its title, 'mas', is the name of another method; choose another",
    f"--methods {HERE}:TITLED_AS_MAS": "its title, 'MAS', is the name of another method; choose",
    f"--methods {HERE}:METHOD {HERE}:JUST_ALIKE": f"and {HERE}:METHOD have one title, 'Weight decay'",
    f"--methods {HERE}:WITHOUT_CENTRE": "no usual strength: give its `Method` a `centre`, or say --str",
    f"--methods {HERE}:WITHOUT_CENTRE --choose framework": "has no strength to begin with; give its",
    f"--methods {HERE}:WITHOUT_STRENGTH --strength {HERE}:WITHOUT_STRENGTH=0.5": "has no `strength`",
    f"--model {HERE}:NOTHING": "has no attribute 'NOTHING'",
    f"--model {HERE}:METHOD": "it is a Method, not a function; give one that can be called",
    f"--model {HERE}:stream": "it made a TaskBenchmark, not an nn.Module",
    f"--model {HERE}:for_large_images": "on an image [3, 8, 8] it fails (",
    f"--model {HERE}:features --weights some.pth": "has no weight file; leave it out",
    f"--stream {HERE}:NOTHING": "has no attribute 'NOTHING'",
    f"--stream {HERE}:features": "it made a Sequential with no streams; make a benchmark with a train",
    f"--stream {HERE}:without_targets": "a data set lacks targets, the labels of all samples; give",
    f"--stream {HERE}:one_task_short": "with {'train': 2, 'test': 1}; make a benchmark",
    f"--stream {HERE}:of_vectors": "its inputs are [5], and small-cnn takes images [channels",
    f"--stream {HERE}:of_texts": "its inputs are of type str, and the comparison takes tensors",
    f"--stream {HERE}:noisy --workers 1": "draw random numbers, and would draw others in a worker",
    "--tasks near far": "own learns the tasks of --stream, in their order; leave it out",
    "--root data": "--root has no effect on the data of own; leave it out",
    "--image-size 8": "--image-size has no effect on the data of own",
    "--cache none": "--cache has no effect on the data of own",
    "--scenario domain": "--scenario has no effect on the data of own",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_wrong_is_told_with_the_value_and_what_to_do(
    words: str, here: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command(tmp_path), *words.split()]) == 2
    said = capsys.readouterr().err
    assert REFUSED[words] in said
    assert ":" not in words or words.split()[1] in said
    assert here == []
    assert list(tmp_path.iterdir()) == []


def test_own_needs_a_stream_and_the_others_take_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "own"]) == 2
    assert "own needs a stream: add --stream package.module:name" in capsys.readouterr().err
    assert main(["run", "two-tasks", "--stream", f"{HERE}:stream"]) == 2
    assert "--stream is for own, not for two-tasks" in capsys.readouterr().err
    assert main(["run", "adaptation", "--methods", f"{HERE}:METHOD"]) == 2
    assert f"adaptation does not compare '{HERE}:METHOD'" in capsys.readouterr().err


def test_modules_are_found_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from tests.benchmarks.own import METHOD, classifier, stream\n"
    (tmp_path / "of_the_user.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    words = ["own", "--stream", "of_the_user:stream", "--model", "of_the_user:classifier"]
    (found,) = plan(parse("run", "", [*words, "--methods", "of_the_user:METHOD"]))
    assert (found.method, found.method_title) == ("of_the_user:METHOD", "Weight decay")
    assert sys.path[-1] == str(tmp_path)
    before = identity(found, own.stream())
    (tmp_path / "of_the_user.py").write_text(f"{source}# changed\n")
    after = identity(found, own.stream())
    assert [name for name in before if before[name] != after[name]] == ["code by import path"]


@pytest.mark.parametrize("what", ["stream", "model", "methods"])
def test_an_error_of_the_users_code_says_where(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / f"broken_{what}.py"
    loading = "a, b = 1, 2, 3\n"
    broken.write_text(loading if what == "methods" else f"def make():\n    {loading}")
    monkeypatch.syspath_prepend(tmp_path)
    path = f"broken_{what}:make"
    assert main([*command(tmp_path / "runs"), f"--{what}", path]) == 2
    said = capsys.readouterr().err
    assert f"--{what} {path}: ValueError: too many values to unpack (expected 2" in said
    assert f"(raised in {broken}, line {1 if what == 'methods' else 2})" in said


def test_the_strength_of_ones_own_method(nothing_tuned: None) -> None:  # noqa: ARG001
    name = f"{HERE}:METHOD"
    words = ["two-tasks", "--tasks", "letters", "svhn", "--methods", name]
    assert [
        one.strength for one in plan(parse("run", "", [*words, "--strength", f"{name}=0.5"]))
    ] == [0.5]
    assert [one.strength for one in plan(parse("run", "", [*words, "--lambda", "1", "2"]))] == [
        1,
        2,
    ]


def test_networks_of_ones_own_take_the_usual_sizes(tmp_path: Path) -> None:
    words = ["two-tasks", "--methods", "mas", "--model", f"{HERE}:features"]

    def first(*more: str) -> tuple[int | None, int, float]:
        found = plan(parse("run", "", [*words, *more]))[0]
        return found.image_size, found.epochs, found.learning_rate

    assert first() == (32, 15, 0.01)
    assert first("--root", str(tmp_path), "--epochs", "3") == (224, 3, 0.01)


def test_own_streams_are_tuned_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path / "tuned")
    monkeypatch.setattr("benchmarks.commands.tune.FURTHER", 0)
    words = command(tmp_path, "stream", "--methods", "mas")
    assert main(["tune", *words[1:]]) == 0
    (file,) = (tmp_path / "tuned").iterdir()
    assert file.name == f"own-{HERE}.stream-own.json"
    tuned = json.loads(file.read_text())["methods"]["mas"]["strength"]
    for stream, strength in (("stream", tuned), ("with_one_head", 1.0)):
        (found,) = plan(parse("run", "", command(tmp_path, stream, "--methods", "mas")[1:]))
        assert found.strength == strength
    assert main(["tune", *words[1:]]) == 0
