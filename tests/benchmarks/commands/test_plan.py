"""The runs that a command line asks for, and their strengths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from avalanche_mas.streams import registry
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.experiments.sequences import EIGHT
from benchmarks.methods import COMPARED, METHODS
from benchmarks.record.folders import is_finished
from benchmarks.record.schema import CONFIG
from benchmarks.run.job import Job
from benchmarks.run.names import folder_of, title_of
from tests.benchmarks.command_lines import TINY, options, record_tuning, run

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (0, 1, 2)), ("4,7", (4, 7)), ("5,", (5,)), ("1", (0,))]
)
def test_seeds(text: str, seeds: Sequence[int]) -> None:
    assert options("--seeds", text).seeds == seeds


def test_all_methods_run_where_none_is_named() -> None:
    assert [run.method for run in plan(options())] == list(COMPARED)


def test_importance_data_takes_no_grid_of_strengths() -> None:
    with pytest.raises(ValueError, match="compares data at one strength; leave out --lambda"):
        plan(parse("run", "", ["importance-data", "--lambda", "0.1", "1"]))


@pytest.mark.usefixtures("nothing_tuned")
def test_importance_on_every_data_is_one_run_each() -> None:
    runs = plan(parse("run", "", ["importance-data", "--seeds", "2"]))
    assert len(runs) == 4 * 2 * (1 + 3 + 3)
    folders = {folder_of(run, Path("out")).as_posix() for run in runs}
    assert len(folders) == len(runs)
    assert "out/importance-data/birds-scenes/mas/train+test/seed1" in folders
    assert "out/importance-data/flowers-birds/fine-tuning/seed0" in folders
    titles = {title_of(run) for run in runs}
    assert len(titles) == len(runs)
    assert "birds scenes, mas (1), Ω on train+test, seed 1" in titles
    (one,) = {run.tasks for run in plan(parse("run", "", ["importance-data", *TINY]))}
    assert one == ("letters", "svhn")


def test_strengths_of_another_experiment_and_shares_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path)
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
    """Fields added since do not make another configuration."""
    recorded = Path(__file__).parents[3] / "benchmarks" / "results" / "drawn"
    runs = [(run, folder_of(run, recorded)) for run in plan(options("--seeds", "5"))]
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


def test_stand_ins_are_in_the_order_of_the_tasks_as_streams_record_them() -> None:
    words = ["two-tasks", "--tasks", "letters", "svhn", "--pairs", "--root", "DIR"]
    found = plan(parse("run", "", [*words, "--stand-ins", "svhn", "letters", "--methods", "mas"]))
    assert [run.stand_ins for run in found] == [run.tasks for run in found]
    assert len(found) == 2


def test_a_folder_of_stand_ins_makes_all_tasks_stand_ins(tmp_path: Path) -> None:
    root = tmp_path / registry.STAND_INS / "mine"
    (found,) = plan(options("--methods", "mas", "--root", str(root)))
    assert found.stand_ins == found.tasks


def test_tuned_strengths_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path)
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
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path)
    record_tuning(tmp_path / "eight-tasks-drawn.json", options(), mas=3.5)
    other = options("--batch-size", "8", "--precision", "bfloat16", "--seeds", "2", "--epochs", "3")
    found = {run.strength_from for run in plan(other) if run.method == "mas"}
    assert found == {"tuning on validation data, with other epochs, batch_size, precision"}
    other = options("--tasks", *reversed(EIGHT), "--device", "cuda")  # no other training
    found = {run.strength_from for run in plan(other) if run.method == "mas"}
    assert found == {"tuning on validation data"}


def test_where_a_strength_was_tuned_on_other_tasks_the_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path)
    record_tuning(tmp_path / "eight-tasks-drawn.json", options("--tasks", *EIGHT[:2]), mas=3.5)
    found = {run.strength_from for run in plan(options("--methods", "mas", "--epochs", "3"))}
    assert found == {"tuning on validation data, with other tasks, epochs"}


def test_the_form_of_the_penalty_counts_only_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path)
    record_tuning(
        tmp_path / "eight-tasks-drawn.json", options(), **{"mas": 3.5, "lwf-repaired": 1, "ewc": 9}
    )
    explicit = plan(options("--penalty", "explicit", "--methods", "mas", "lwf", "ewc"))
    assert {run.method: run.strength_from for run in explicit} == {
        "mas": "tuning on validation data, with other penalty",
        "lwf": "tuning on validation data",
        "ewc": "tuning on validation data",
    }


def test_adaptation_does_not_stop_by_the_images_that_the_model_meets() -> None:
    for asked in (["--patience", "5"], ["--schedule", "plateau"]):
        with pytest.raises(ValueError, match="the model meets the first task's validation images"):
            plan(parse("run", "", ["adaptation", *asked]))
