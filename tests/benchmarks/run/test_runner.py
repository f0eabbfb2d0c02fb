"""One run: what it leaves behind, that it is repeatable, and that all methods get the same data."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avalanche.core import SupervisedPlugin

from avalanche_mas import __version__
from avalanche_mas.streams import TaskBenchmark
from benchmarks.methods import COMPARED, METHODS, Method
from benchmarks.record.code_version import code_version
from benchmarks.record.schema import CONFIG, METRICS, RESULT, VERSIONS
from benchmarks.run.job import Job
from benchmarks.run.runner import run

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

CONTINUAL = [name for name in COMPARED if not METHODS[name].joint]
MakeJob = Callable[..., Job]


def silent(job: Job, stream: TaskBenchmark) -> dict[str, Any]:
    return run(job, say=lambda _: None, stream=stream)


def metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / METRICS).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_fills_a_run_folder(
    method: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    job = make_job(method)
    result = silent(job, stream)
    matrix = np.array(result["accuracy"], dtype=float)
    learned = np.array([[not METHODS[method].joint, False], [True, True]])
    assert matrix.shape == (2, 2)
    assert (np.isfinite(matrix) == learned).all()
    assert ((matrix >= 0) & (matrix <= 1))[learned].all()
    assert json.loads((job.folder / RESULT).read_text()) == json.loads(json.dumps(result))
    assert json.loads((job.folder / CONFIG).read_text()) == job.settings.as_json()
    versions = json.loads((job.folder / VERSIONS).read_text())
    assert torch.__version__.startswith(versions["torch"])
    assert versions["avalanche-mas"] == __version__
    assert versions["threads"] == 1
    assert versions["code"] == code_version()
    assert result["tasks"] == ["letters", "svhn"]
    assert result["classes"] == [3, 4]
    assert [data["split"] for data in result["data"]] == ["split of letters", "split of svhn"]
    trainings = 1 if METHODS[method].joint else 2
    assert [len(result["seconds"][part]) for part in ("train", "importance", "eval")] == [
        trainings
    ] * 3
    assert result["seconds"]["total"] >= sum(result["seconds"]["train"]) > 0
    assert result["peak_memory_mb"] > 50
    assert {part: len(course) for part, course in result["memory_mb"].items()} == {
        "network": trainings,
        "stored": trainings,
    }


@pytest.mark.parametrize("method", ["fine-tuning", "mas", "si-repaired", "joint"])
def test_same_seed_same_numbers_and_another_seed_other_numbers(
    method: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    first, second, other = make_job(method), make_job(method), make_job(method, seed=1)
    for job in (first, second, other):
        torch.rand(3)  # whatever happened before must not matter
        silent(job, stream)
    assert metrics(first.folder) == metrics(second.folder)
    assert metrics(first.folder) != metrics(other.folder)


def test_methods_share_everything_until_the_first_task_is_learned(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    seen = {}
    for method in CONTINUAL:
        job = make_job(method)
        silent(job, stream)
        seen[method] = [row for row in metrics(job.folder) if row["experience"] == "0"]
    assert len(seen["fine-tuning"]) > 4
    for method in CONTINUAL:
        assert seen[method] == seen["fine-tuning"], method


class Gambler(SupervisedPlugin):
    """A plugin that draws random numbers after each task, as a method may."""

    def after_training_exp(self, *_: Any, **__: Any) -> None:
        torch.rand(7)
        np.random.rand(7)  # noqa: NPY002 - it is this generator that is seeded


def test_a_method_that_draws_random_numbers_gets_the_same_batches(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    gambler = Method("gambler", "", "", make_plugins=lambda _: [Gambler()])
    monkeypatch.setitem(METHODS, "gambler", gambler)
    plain, gambling = make_job("fine-tuning"), make_job("fine-tuning", method="gambler")
    for job in (plain, gambling):
        silent(job, stream)
    assert metrics(plain.folder) == metrics(gambling.folder)


def test_accuracies_on_the_validation_data(make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = make_job("fine-tuning", evaluated_on="valid")
    result = silent(job, stream)
    names = {row["name"] for row in metrics(job.folder)}
    assert "Top1_Acc_Exp/eval_phase/valid_stream/Task001/Exp001" in names
    assert not any("test_stream" in name for name in names)
    assert math.isfinite(result["accuracy"][1][0])


def test_metrics_are_written_as_they_come(make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = make_job("fine-tuning")
    result = silent(job, stream)
    rows = metrics(job.folder)
    steps = [int(row["step"]) for row in rows if "train_phase" in row["name"]]
    assert steps == sorted(steps)
    assert {row["experience"] for row in rows} == {"0", "1"}
    last = {row["name"]: float(row["value"]) for row in rows}
    assert last["Top1_Acc_Exp/eval_phase/test_stream/Task000/Exp000"] == result["accuracy"][1][0]
    mean = (result["accuracy"][1][0] + result["accuracy"][1][1]) / 2
    assert last["TaskMean_Acc/eval_phase/test_stream"] == pytest.approx(mean)


def test_every_task_starts_with_a_fresh_optimizer(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    momenta: list[int] = []

    class Look(SupervisedPlugin):
        def before_training_exp(self, strategy: Any, **_: Any) -> None:
            momenta.append(sum(len(state) for state in strategy.optimizer.state.values()))

    monkeypatch.setitem(METHODS, "look", Method("look", "", "", lambda _: [Look()]))
    silent(make_job("fine-tuning", method="look"), stream)
    assert momenta == [0, 0]


def test_a_run_that_fails_is_not_finished(make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = make_job("mas", strength=-1.0)
    with pytest.raises(ValueError, match=r"-1"):
        silent(job, stream)
    assert (job.folder / CONFIG).is_file()
    assert not (job.folder / RESULT).exists()


def test_an_unfinished_run_is_started_anew(make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = make_job("fine-tuning")
    job.folder.mkdir()
    (job.folder / "left over").touch()
    silent(job, stream)
    assert {file.name for file in job.folder.iterdir()} == {CONFIG, VERSIONS, METRICS, RESULT}


def test_progress_ends_at_one_and_a_line_is_said_for_every_task(
    make_job: MakeJob, stream: TaskBenchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("benchmarks.run.loggers.time.monotonic", lambda: next(clock))
    for method in ("fine-tuning", "joint"):
        lines: list[str] = []
        shares: list[float] = []
        run(make_job(method), say=lines.append, show=shares.append, stream=stream)
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        assert len(lines) == (1 if method == "joint" else 2)
        assert lines[-1].startswith("letters ")
        assert "svhn " in lines[-1]
        assert "mean " in lines[-1]
