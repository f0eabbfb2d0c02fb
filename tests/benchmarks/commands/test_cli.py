"""The command line: what it refuses, before any training; what it runs; that it goes on."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import COMMANDS, main
from benchmarks.commands.options import Options, parse
from benchmarks.commands.plan import TUNING_SEED, plan
from benchmarks.commands.tune import tune
from benchmarks.methods import METHODS
from benchmarks.record.code_version import code_version
from benchmarks.record.folders import is_finished
from benchmarks.record.schema import CONFIG, RESULT
from benchmarks.record.settings import Settings
from benchmarks.run.job import Job
from benchmarks.run.names import folder_of, title_of
from tests.processes import python_path

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

TINY = ("--tasks", "letters", "svhn", "--epochs", "1", "--batch-size", "8", "--wandb", "disabled")


@pytest.fixture
def nothing_tuned(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded has no part in what the command line means."""
    monkeypatch.setattr("benchmarks.record.tuned.RESULTS", tmp_path_factory.mktemp("tuned"))


def run(output: Path, *arguments: str) -> int:
    return main(["run", "two-tasks", *TINY, "--output", str(output), *arguments])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["three-tasks"], "'eight-tasks', 'two-tasks'"),
        (["two-tasks", "--methods", "replay"], "'fine-tuning', 'joint', 'mas'"),
        (
            ["two-tasks", "--epoch", "3"],
            "unknown --epoch 3; the options are --address, --backbone-learning-rate",
        ),
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
        (["--seeds", f"{TUNING_SEED},"], f"seed {TUNING_SEED} is kept for tuning"),
        (
            ["importance-data", "--methods", "ewc"],
            "is not about 'ewc', but fine-tuning, mas, l-mas",
        ),
        (["importance-data", "--tasks", "birds"], "importance-data needs 2 tasks, got 1"),
        (["importance-data", "--stand-ins", "cars"], "--stand-ins cars: they take the place of"),
        (["adaptation", "--strength", "ewc=1"], "--strength ewc=1: ewc is none of fine-tuning"),
        (["local-vs-global", "--methods", "mas"], "is not about 'mas', but fine-tuning"),
        (["local-vs-global", "--tasks", "birds", "cars"], "local-vs-global needs 1 task, got 2"),
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


@pytest.mark.usefixtures("nothing_tuned")
def test_a_finished_run_is_skipped(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--methods", "mas") == 0
    assert len(tiny) == 1
    assert run(tmp_path, "--methods", "mas", "ewc", "--seeds", "2", "--jobs", "2") == 0
    assert "mas (1), seed 0: already there, in" in capsys.readouterr().out
    names = [(job.settings.method, job.settings.seed) for job in tiny[1:]]
    assert names == [("ewc", 0), ("mas", 1), ("ewc", 1)]


def test_another_configuration_is_refused_before_any_run(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--methods", "mas", "--learning-rate", "0.02") == 0
    assert run(tmp_path, "--methods", "ewc", "mas", "--learning-rate", "0.03") == 2
    error = capsys.readouterr().err
    assert "seed0 holds a run with another configuration: learning_rate is 0.02 there" in error
    assert "0.03 was asked for; choose another --output" in error
    assert len(tiny) == 1


@pytest.mark.usefixtures("nothing_tuned")
def test_where_something_comes_from_is_no_difference(tiny: list[Job], tmp_path: Path) -> None:
    assert run(tmp_path, "--methods", "mas") == 0
    assert run(tmp_path, "--methods", "mas", "--strength", "mas=1") == 0
    assert len(tiny) == 1


def test_an_unfinished_run_is_done_again(tiny: list[Job], tmp_path: Path) -> None:
    assert run(tmp_path, "--methods", "fine-tuning") == 0
    result = tiny[0].folder / RESULT
    result.unlink()
    assert run(tmp_path, "--methods", "fine-tuning") == 0
    assert len(tiny) == 2
    assert result.is_file()


def test_a_folder_of_something_else_is_left_alone(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "two-tasks" / "letters-svhn" / "mas" / "seed0"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").touch()
    assert run(tmp_path, "--methods", "mas") == 2
    assert "is not a run folder" in capsys.readouterr().err
    assert (folder / "thesis.tex").is_file()
    assert tiny == []


def test_a_broken_configuration_is_named(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "two-tasks" / "letters-svhn" / "mas" / "seed0"
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text("{")
    assert run(tmp_path, "--methods", "mas") == 2
    assert "config.json cannot be read" in capsys.readouterr().err
    assert tiny == []


def options(*arguments: str) -> Options:
    return parse("run", "", ["eight-tasks", *arguments])


def record_tuning(file: Path, asked: Options, **strengths: float) -> None:
    """Write what `tune` writes, as if it had been run with these options."""
    configuration = plan(asked)[0].as_json()
    methods = {name: {"strength": strength} for name, strength in strengths.items()}
    file.write_text(json.dumps({"configuration": configuration, "methods": methods}))


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (0, 1, 2)), ("4,7", (4, 7)), ("5,", (5,)), ("1", (0,))]
)
def test_seeds(text: str, seeds: Sequence[int]) -> None:
    assert options("--seeds", text).seeds == seeds


def test_all_methods_run_where_none_is_named() -> None:
    assert [run.method for run in plan(options())] == list(METHODS)


def test_importance_data_takes_no_grid_of_strengths() -> None:
    with pytest.raises(ValueError, match="compares data at one strength; leave out --lambda"):
        plan(parse("run", "", ["importance-data", "--lambda", "0.1", "1"]))


@pytest.mark.usefixtures("nothing_tuned")
def test_importance_on_every_data_is_one_run_each() -> None:
    runs = plan(parse("run", "", ["importance-data", "--seeds", "2"]))
    assert len(runs) == 3 * 2 * (1 + 3 + 3)
    folders = {folder_of(run, Path("out")).as_posix() for run in runs}
    assert len(folders) == len(runs)
    assert "out/importance-data/birds-cars/mas/train+test/seed1" in folders
    assert "out/importance-data/letters-svhn/fine-tuning/seed0" in folders
    titles = {title_of(run) for run in runs}
    assert len(titles) == len(runs)
    assert "birds cars, mas (1), Ω on train+test, seed 1" in titles
    (one,) = {run.tasks for run in plan(parse("run", "", ["importance-data", *TINY]))}
    assert one == ("letters", "svhn")


def test_strengths_of_another_experiment_and_shares_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.RESULTS", tmp_path)
    settings = parse("run", "", ["adaptation"])
    record_tuning(tmp_path / "eight-tasks-drawn.json", settings, mas=3.0)
    runs = plan(settings)
    found = {(r.method, r.importance_on, r.strength_share): r for r in runs}
    assert len(found) == len(runs) == 1 + 2 * 3 * 2
    assert found["fine-tuning", None, None].strength is None
    for data in ("train", "train, then subset", "subset"):
        assert found["mas", data, 1.0].strength == 3.0
        tenth = found["mas", data, 0.1]
        assert tenth.strength == pytest.approx(0.3)
        assert tenth.strength_from == "tuning on validation data, times 0.1"
    folder = folder_of(found["mas", "train, then subset", 0.1], Path())
    assert folder.as_posix() == "adaptation/mas/train-then-subset/strength-x0.1/seed0"


def test_a_grid_of_strengths_is_a_run_for_each_and_one_for_a_method_without(
    tiny: list[Job], tmp_path: Path
) -> None:
    assert run(tmp_path, "--methods", "fine-tuning", "mas", "--lambda", "0.01", "1", "1e-20") == 0
    found = {job.folder.relative_to(tmp_path).as_posix(): job.settings for job in tiny}
    assert {name: settings.strength for name, settings in found.items()} == {
        "two-tasks/letters-svhn/fine-tuning/seed0": None,
        "two-tasks/letters-svhn/mas/strength-0.01/seed0": 0.01,
        "two-tasks/letters-svhn/mas/strength-1/seed0": 1.0,
        "two-tasks/letters-svhn/mas/strength-1e-20/seed0": 1e-20,
    }
    for name, settings in found.items():
        config = json.loads((tmp_path / name / CONFIG).read_text())
        assert config["strength_grid"] is (True if settings.method == "mas" else None)
    assert run(tmp_path, "--methods", "fine-tuning", "mas") == 0  # none of the grid, one more
    assert [job.settings.strength_grid for job in tiny[4:]] == [None]
    assert tiny[4].folder == tmp_path / "two-tasks" / "letters-svhn" / "mas" / "seed0"


def test_the_framework_has_a_folder_beside_the_runs_without(
    tiny: list[Job], tmp_path: Path
) -> None:
    assert run(tmp_path, "--methods", "ewc", "--choose", "framework") == 0
    (job,) = tiny
    assert job.folder == tmp_path / "two-tasks" / "letters-svhn" / "ewc" / "framework" / "seed0"
    assert (job.settings.strength, job.settings.choose) == (None, "framework")
    assert job.settings.strength_from == "the framework, for each task"
    assert title_of(job.settings) == "letters svhn, ewc, framework, seed 0"


def test_a_method_whose_strength_cannot_be_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = replace(METHODS["mas"], set_strength=None)
    monkeypatch.setitem(METHODS, "mas", fixed)
    with pytest.raises(ValueError, match=r"the strength of mas cannot be set .* `set_strength`"):
        plan(options("--choose", "framework"))


def test_recorded_runs_have_the_configuration_that_their_command_asks_for() -> None:
    """Fields that were added since do not make them runs of another configuration."""
    recorded = Path(__file__).parents[3] / "benchmarks" / "results" / "drawn"
    runs = [(run, folder_of(run, recorded)) for run in plan(options("--seeds", "3"))]
    there = [(run, folder) for run, folder in runs if (folder / CONFIG).is_file()]
    assert there
    for found, folder in there:
        samples = json.loads((folder / CONFIG).read_text())["samples"]
        assert is_finished(folder, replace(found, samples=samples))


def test_real_data_are_for_the_pretrained_network(tmp_path: Path) -> None:
    drawn, real = plan(options())[0], plan(options("--root", str(tmp_path)))[0]
    assert (drawn.source, drawn.model, drawn.image_size) == ("drawn", "small-cnn", 32)
    assert (real.source, real.model, real.image_size) == ("real", "squeezenet", 64)
    assert real.root_note == tmp_path.name  # no path of a machine is recorded


def test_tuned_strengths_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.RESULTS", tmp_path)
    untuned = {run.method: run.strength for run in plan(options())}
    assert untuned["mas"] == METHODS["mas"].centre
    record_tuning(tmp_path / "eight-tasks-drawn.json", options(), **{"mas": 3.5, "si-repaired": 7})
    tuned = {run.method: (run.strength, run.strength_from) for run in plan(options())}
    assert tuned["mas"] == (3.5, "tuning on validation data")
    assert tuned["si"][0] == tuned["si-repaired"][0] == 7
    assert tuned["ewc"] == (METHODS["ewc"].centre, "what is usual, not tuned")
    given = {run.method: run.strength for run in plan(options("--strength", "mas=0.5"))}
    assert given["mas"] == 0.5


def test_where_a_strength_was_tuned_for_another_training_the_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.RESULTS", tmp_path)
    record_tuning(tmp_path / "eight-tasks-drawn.json", options(), mas=3.5)
    other = options("--batch-size", "8", "--precision", "bfloat16", "--seeds", "2", "--epochs", "3")
    found = {run.strength_from for run in plan(other) if run.method == "mas"}
    assert found == {"tuning on validation data, with other epochs, batch_size, precision"}
    other = options("--device", "cuda", "--tasks", "letters", "svhn")  # no other training
    found = {run.strength_from for run in plan(other) if run.method == "mas"}
    assert found == {"tuning on validation data"}


def test_adaptation_does_not_stop_by_the_images_that_the_model_meets() -> None:
    for asked in (["--patience", "5"], ["--schedule", "plateau"]):
        with pytest.raises(ValueError, match="the model meets the first task's validation images"):
            plan(parse("run", "", ["adaptation", *asked]))


def test_tuning_tries_as_many_strengths_for_every_method_and_keeps_all_scores(
    tiny: list[Job],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.RESULTS", tmp_path / "results")
    monkeypatch.setattr("benchmarks.commands.tune.FURTHER", 0)
    chosen = parse("tune", "", ["eight-tasks", *TINY, "--output", str(tmp_path / "runs")])
    assert tune(chosen) == 0
    said = capsys.readouterr().out
    content = json.loads((tmp_path / "results" / "eight-tasks-drawn.json").read_text())
    assert set(content["methods"]) == {name for name in METHODS if METHODS[name].grid}
    for name, entry in content["methods"].items():
        assert [score["strength"] for score in entry["scores"]] == list(METHODS[name].grid)
        assert len(entry["scores"]) == 5
        assert entry["code"] == [code_version()]
        best = max(score["mean_accuracy"] for score in entry["scores"])
        picked = {s["strength"]: s["mean_accuracy"] for s in entry["scores"]}[entry["strength"]]
        assert picked == best
        assert f"{name}: {entry['strength']:g}" in said
    assert {job.settings.seed for job in tiny} == {TUNING_SEED}
    assert {job.settings.evaluated_on for job in tiny} == {"valid"}
    assert content["configuration"]["epochs"] == 1
    trained = len(tiny)
    assert tune(chosen) == 0
    assert len(tiny) == trained  # all of them are there
    longer = parse("tune", "", ["eight-tasks", *TINY, "--epochs", "2", "--methods", "lwf"])
    alternatives = "tune alike, or .*: run with --choose framework, or .* --lambda VALUE"
    with pytest.raises(ValueError, match=f"epochs is 1 there, 2 here; {alternatives}"):
        tune(longer)
    assert len(tiny) == trained


@pytest.mark.parametrize(("peak", "tried"), [(0, 5), (-2, 6), (3, 7), (9, 8), (-9, 8)])
def test_where_the_best_strength_is_at_the_edge_the_grid_goes_on(
    peak: int, tried: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(_: object, runs: list[tuple[Settings, Path]]) -> int:
        for run, folder in runs:
            decades = math.log10(run.strength or 0) - math.log10(METHODS["mas"].centre or 0)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.json").write_text("{}")
            (folder / "versions.json").write_text('{"code": null}')
            (folder / "result.json").write_text(
                json.dumps({"accuracy": [[0.5 - 0.01 * abs(decades - peak)]]})
            )
        return 0

    monkeypatch.setattr("benchmarks.record.tuned.RESULTS", tmp_path)
    monkeypatch.setattr("benchmarks.commands.tune.launch", train)
    arguments = ["eight-tasks", "--methods", "mas", "--output", str(tmp_path / "runs")]
    assert tune(parse("tune", "", arguments)) == 0
    entry = json.loads((tmp_path / "eight-tasks-drawn.json").read_text())["methods"]["mas"]
    strengths = [score["strength"] for score in entry["scores"]]
    assert len(strengths) == tried
    assert strengths == sorted(strengths)
    assert entry["at_edge"] == (abs(peak) > 5)
    if not entry["at_edge"]:
        assert entry["strength"] == pytest.approx((METHODS["mas"].centre or 0) * 10.0**peak)


def test_experiments_that_use_the_strengths_of_another_are_not_tuned() -> None:
    for name in ("two-tasks", "importance-data", "adaptation"):
        with pytest.raises(
            ValueError, match=f"{name} uses the strengths of eight-tasks; tune that"
        ):
            tune(parse("tune", "", [name]))


def test_tuning_chooses_seed_and_strengths_itself() -> None:
    with pytest.raises(ValueError, match="leave out --seeds and --strength"):
        tune(parse("tune", "", ["eight-tasks", "--seeds", "2"]))
    for arguments in (["--lambda", "1"], ["--choose", "framework"]):
        with pytest.raises(ValueError, match="leave out --lambda and --choose"):
            tune(parse("tune", "", ["eight-tasks", *arguments]))
    with pytest.raises(ValueError, match="leave out --evaluate-on test"):
        tune(parse("tune", "", ["eight-tasks", "--evaluate-on", "test"]))
    with pytest.raises(ValueError, match="none of fine-tuning, si has a strength to tune"):
        tune(parse("tune", "", ["eight-tasks", "--methods", "fine-tuning", "si"]))


def test_commands_are_listed_and_an_unknown_one_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    assert main([]) == 2
    assert capsys.readouterr().out.count("python -m benchmarks COMMAND") == 2
    assert main(["train"]) == 2
    error = capsys.readouterr().err
    assert "there is no command 'train'" in error
    assert all(name in error for name in COMMANDS)


def test_nothing_is_said_of_solvers_that_nothing_here_uses() -> None:
    """The second is what a spawned process does before its run."""
    commands = (
        ["-m", "benchmarks", "data", "--help"],
        ["-c", "import benchmarks.engines.jobs, sys; assert 'qpsolvers' in sys.modules"],
    )
    for words in commands:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        assert done.stderr == ""


SESSION = """
import json, signal, sys
from benchmarks.__main__ import main

def interrupt(*_):
    raise KeyboardInterrupt

arguments = ["run", "two-tasks", "--tasks", "letters", "svhn", "--jobs", "2", "--wandb", "offline"]
small = [*arguments, "--methods", "fine-tuning", "mas", "--epochs", "1"]
statuses = [main([*small, "--output", "done"]), main([*small, "--output", "done"])]
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 3)
statuses.append(main([*arguments, "--epochs", "1000", "--output", "stopped"]))
print(json.dumps(statuses))
"""


def test_whole_sessions_with_processes(tmp_path: Path) -> None:
    """Two runs at a time on drawn data, the same again, and one that is stopped with Ctrl-C."""
    done = subprocess.run(
        [sys.executable, "-c", SESSION],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": python_path(), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [0, 0, 130]
    assert "fine-tuning, seed 0: letters" in done.stdout
    assert done.stdout.count("already there") == 2
    assert "repeat the command to continue" in done.stderr
    results = sorted(tmp_path.glob(f"done/two-tasks/*/*/seed0/{RESULT}"))
    assert [file.parents[1].name for file in results] == ["fine-tuning", "mas"]
    for file in results:
        assert list(file.parent.glob("wandb/offline-run-*"))
        first, last = json.loads(file.read_text())["accuracy"]
        assert first[0] is not None
        assert None not in last
    assert list(tmp_path.glob(f"stopped/two-tasks/*/*/seed0/{CONFIG}"))
    assert not list(tmp_path.glob(f"stopped/two-tasks/*/*/seed0/{RESULT}"))
