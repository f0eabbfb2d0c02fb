"""The recipe of training, from the command line to the run folder, and in older folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin

from avalanche_mas.streams import TaskBenchmark
from benchmarks.__main__ import main
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.record.folders import is_finished
from benchmarks.record.recipe import OPTIMIZERS, PRECISIONS, Recipe, completed
from benchmarks.record.schema import CONFIG
from benchmarks.record.settings import Settings
from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.runs import read_run, read_runs
from benchmarks.run.job import Job
from benchmarks.run.runner import run
from benchmarks.run.training.networks import network_for
from benchmarks.run.training.strategy import make_strategy
from tests.benchmarks.run_folders import write_run
from tests.benchmarks.strategies import strategy_of

MakeJob = Callable[..., Job]


def planned(*arguments: str) -> Settings:
    return plan(parse("run", "", ["two-tasks", "--methods", "fine-tuning", *arguments]))[0]


def test_what_is_not_said_is_what_it_was_before_it_could_be_said() -> None:
    recipe = {name: getattr(planned(), name) for name in asdict(Recipe())}
    assert recipe == asdict(Recipe()) | {"penalty": "damped"}  # the one default that has changed
    assert recipe == {
        "optimizer": "sgd",
        "momentum": 0.9,
        "schedule": "one-cycle",
        "backbone_learning_rate": None,
        "weight_decay": 0.0,
        "patience": None,
        "gradient_clip": 5.0,
        "penalty": "damped",
        "precision": "float32",
        "device": "cpu",
    }


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (
            ("--learning-rate", "0.2", "--backbone-learning-rate", "0.1"),
            "backbone_learning_rate",
            0.1,
        ),
        (
            ("--learning-rate", "0.2", "--backbone-learning-rate", "0.2"),
            "backbone_learning_rate",
            None,
        ),
        (("--optimizer", "adam"), "optimizer", "adam"),
        (("--optimizer", "adamw"), "momentum", None),
        (("--optimizer", "adam"), "learning_rate", 0.001),
        (("--optimizer", "adam", "--learning-rate", "0.2"), "learning_rate", 0.2),
        (("--momentum", "0"), "momentum", 0.0),
        (("--momentum", "0.5", "--optimizer", "sgd"), "momentum", 0.5),
        (("--schedule", "constant"), "schedule", "constant"),
        (("--schedule", "step"), "schedule", "step"),
        (("--schedule", "plateau"), "schedule", "plateau"),
        (("--schedule", "plateau"), "patience", 10),
        (("--schedule", "plateau", "--patience", "6"), "patience", 6),
        (("--patience", "1"), "patience", 1),
        (("--weight-decay", "5e-4"), "weight_decay", 5e-4),
        (("--weight-decay", "0.0"), "weight_decay", 0.0),
        (("--gradient-clip", "0.5"), "gradient_clip", 0.5),
        (("--gradient-clip", "none"), "gradient_clip", None),
        (("--penalty", "damped"), "penalty", "damped"),
        (("--penalty", "explicit"), "penalty", "explicit"),
        (("--precision", "bfloat16"), "precision", "bfloat16"),
        (("--device", "cuda"), "device", "cuda"),
        (("--transforms", "paper"), "transforms", "paper"),
        (("--transforms", "shift"), "transforms", None),
        (("--scenario", "class"), "scenario", "class"),
        (("--scenario", "task"), "scenario", None),
        (("--classes", "3"), "classes", 3),
        (("--images-per-class", "7"), "images_per_class", 7),
    ],
)
def test_every_option_is_part_of_the_configuration(
    arguments: Sequence[str], field: str, value: Any
) -> None:
    settings = planned(*arguments)
    assert getattr(settings, field) == value
    assert settings.as_json()[field] == value


def test_the_configuration_begins_with_what_is_run() -> None:
    names = list(planned().as_json())
    assert names[:3] == ["experiment", "method", "seed"]
    assert set(names[-10:]) == set(asdict(Recipe()))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--weight-decay", "-1"), "'-1' is not a finite number of at least 0"),
        (("--weight-decay", "inf"), "'inf' is not a finite number of at least 0"),
        (("--gradient-clip", "0"), "'0' is not a finite number above 0"),
        (("--gradient-clip", "no"), "'no' is not a finite number above 0"),
        (("--patience", "0"), "'0' is not a whole number of at least 1"),
        (("--schedule", "cosine"), "'one-cycle', 'constant', 'plateau'"),
        (("--precision", "float64"), "'float32', 'bfloat16', 'float16'"),
        (("--backbone-learning-rate", "0"), "'0' is not a finite number above 0"),
        (("--momentum", "1"), "'1' is not a number from 0 to below 1"),
        (("--optimizer", "lion"), "'sgd', 'adam', 'adamw'"),
        (("--workers", "-1"), "'-1' is not a whole number of at least 0"),
        (("--model", "vgg"), "nor a path such as my_module:name"),
    ],
)
def test_values_that_cannot_be_are_refused(
    arguments: Sequence[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["run", "two-tasks", *arguments])
    assert complaint in capsys.readouterr().err


def test_momentum_is_for_sgd() -> None:
    with pytest.raises(ValueError, match="--momentum 0: adam has none; leave it out, or use --opt"):
        planned("--optimizer", "adam", "--momentum", "0")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizer_is_the_one_asked_for(
    name: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    momentum = 0.5 if name == "sgd" else None
    job = make_job("fine-tuning", optimizer=name, momentum=momentum, weight_decay=0.25)
    optimizer = strategy_of(job, stream).optimizer
    assert type(optimizer).__name__.lower() == name
    for own in optimizer.param_groups:
        assert (own["weight_decay"], own.get("momentum")) == (0.25, momentum)
        assert own["lr"] == job.settings.learning_rate


def test_a_plateau_that_never_drops_is_refused() -> None:
    with pytest.raises(ValueError, match="--patience 5: training would stop before --schedule"):
        planned("--schedule", "plateau", "--patience", "5")


def test_a_missing_gpu_is_said(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="--device cuda: PyTorch finds no GPU"):
        strategy_of(make_job("fine-tuning", device="cuda"), stream)


def test_the_device_is_handed_on(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for device in ("cpu", "cuda"):
        settings = make_job("fine-tuning", device=device).settings
        kind: Any = dict  # in place of a strategy: what it would be made from
        network, rest = network_for("mlp", stream), {"method_plugins": [], "observers": []}
        made = make_strategy(
            settings, network, kind, evaluator=EvaluationPlugin(loggers=[BaseLogger()]), **rest
        )
        assert made["device"] == device


@pytest.mark.gpu
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_on_a_gpu(precision: str, make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = make_job("mas", device="cuda", precision=precision, patience=2)
    accuracy = run(job, say=lambda _: None, stream=stream)["accuracy"]
    assert accuracy[1][0] is not None


def before_the_recipe(folder: Path) -> None:
    """Make a run folder look as it did before the recipe was recorded."""
    config = json.loads((folder / CONFIG).read_text())
    config["optimizer"] = "SGD, momentum 0.9"
    for name in asdict(Recipe()).keys() - {"optimizer", "schedule", "gradient_clip"}:
        del config[name]
    (folder / CONFIG).write_text(json.dumps(config))


def test_a_folder_from_before_is_finished_if_it_is_the_same_run(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = make_job("fine-tuning", epochs=1, penalty="explicit")
    run(job, say=lambda _: None, stream=stream)
    before_the_recipe(job.folder)
    assert is_finished(job.folder, job.settings)
    for change in (
        {"precision": "bfloat16"},
        {"patience": 3},
        {"weight_decay": 1e-4},
        {"momentum": 0.5},
    ):
        (name,) = change
        was = asdict(Recipe())[name]
        with pytest.raises(ValueError, match=f"another configuration: {name} is {was!r} there"):
            is_finished(job.folder, replace(job.settings, **change))


def test_reports_put_folders_from_before_beside_new_ones(tmp_path: Path) -> None:
    old = write_run(tmp_path, "fine-tuning")
    write_run(tmp_path, "ewc", optimizer="SGD, momentum 0.9")
    new = write_run(tmp_path, "mas", **asdict(Recipe()))
    assert read_run(old).config == completed(json.loads((old / CONFIG).read_text()))
    runs = read_runs([tmp_path])
    assert {*map(str, (old, new))} < {str(run.folder) for run in runs}
    assert [sorted(one.runs) for one in group(runs)] == [["ewc", "fine-tuning", "mas"]]


def test_what_is_recorded_is_not_overwritten() -> None:
    assert completed({"optimizer": "adam"})["optimizer"] == "adam"
    assert completed({"schedule": "constant", "seed": 3})["schedule"] == "constant"
    assert completed({"seed": 3})["seed"] == 3
