"""`--dry-run`: what it says, and that it does nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from avalanche_mas.streams import TASKS, TaskBenchmark
from benchmarks.__main__ import main
from benchmarks.commands import dry_run, estimate
from benchmarks.commands.dry_run import data_of
from benchmarks.commands.estimate import Costs, Work, measured, recorded, work_of
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.methods import COMPARED
from benchmarks.record.settings import Settings
from benchmarks.run.framework import MAX_HALVINGS, RATE_SHARES
from benchmarks.run.job import Job
from benchmarks.run.learner import Learner
from tests.benchmarks.command_lines import run
from tests.streams.layouts import write

COSTS = Costs(
    step=3600.0,
    evaluation=0.0,
    importance={"global": 36.0, "local": 0.0},
    memory=2e9,
    network=228_000_000,
    source="measured by a test",
)


@pytest.fixture
def nothing_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if anything is drawn or run; pretend to have measured."""

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a dry run did something")

    monkeypatch.setattr("avalanche_mas.streams.drawn.draw", never)
    monkeypatch.setattr("avalanche_mas.streams.FilePicture.open", never)
    monkeypatch.setattr("benchmarks.engines.jobs.run_all", never)
    monkeypatch.setattr("benchmarks.commands.launch.prepare", never)
    monkeypatch.setattr(dry_run, "measured", lambda *_: COSTS)


def said_by(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*words, "--dry-run"]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("nothing_done")
def test_the_paper_s_sequence_is_planned_without_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("run", "eight-tasks", "--protocol", "paper", "--seeds", "2", "--jobs", "2")
    said = said_by(*words, capsys=capsys)
    assert f"eight-tasks: {2 * len(COMPARED)} runs, 0 of them finished" in said
    assert "protocol: paper\n" in said
    assert "data: real images, in DIR\n" in said
    assert "initial weights: torchvision's AlexNet_Weights.IMAGENET1K_V1, which a run will" in said
    assert "model alexnet, image size 224, transforms paper, epochs 100, batch size 200" in said
    for task in TASKS.values():
        assert f"{task.name}: {task.num_classes} classes, {task.sizes} (official sizes)\n" in said
    assert (
        "mas (1), λ from the protocol paper; seeds 0, 1; 0 of 2 runs finished; in runs/eight-tasks/mas\n"
        in said
    )
    steps = 100 * sum(-(-task.sizes.train // 200) for task in TASKS.values())
    images = sum(task.sizes.train for task in TASKS.values())
    assert f"\n  fine-tuning: {2 * steps:.1f} h for 2 runs" in said
    assert f"\n  mas: {2 * (steps + images / 100):.1f} h for 2 runs" in said
    assert "2.0 GB a run with MAS, of which 2 at a time" in said
    assert "EWC keeps two networks of 228 MB per task" in said
    assert "early stopping" not in said
    *_, folder, data = said.splitlines()
    assert folder == "MISSING: the folder --root DIR; sizes above are official ones"
    assert data.startswith("MISSING: the data of flowers, scenes, birds, cars, aircraft, actions,")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("nothing_done")
def test_the_lists_of_data_that_are_there_are_read(tmp_path: Path) -> None:
    write(tmp_path, "letters")
    words = ["two-tasks", "--root", str(tmp_path), "--tasks", "letters", "cars"]
    options = parse("run", "", words)
    data = data_of(options, plan(options))
    assert data["letters"].classes == 3
    assert data["letters"].sizes == (12, 4, 5)
    assert data["letters"].origin.startswith("not complete")
    assert data["cars"].sizes == tuple(TASKS["cars"].sizes)
    assert "there is no folder" in data["cars"].origin


@pytest.mark.usefixtures("nothing_done")
def test_what_is_missing_comes_last_and_what_is_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    for task in ("letters", "cars"):
        write(tmp_path, task)
    words = ("run", "two-tasks", "--root", str(tmp_path), "--tasks", "letters", "cars")
    words = (*words, "--methods", "mas", "--patience", "2")
    said = said_by(*words, "--weights", "file.pth", capsys=capsys)
    assert said.endswith("MISSING: the weights, --weights file.pth\n")
    assert "early stopping takes less" in said
    assert "EWC" not in said
    assert "initial weights: random\n" in said_by(*words, "--weights", "none", capsys=capsys)
    (tmp_path / "weights").mkdir()
    file = tmp_path / "weights" / "squeezenet1_1-0.pth"
    file.touch()
    said = said_by(*words, capsys=capsys)
    assert f"initial weights: {file}\n" in said
    assert "MISSING" not in said


@pytest.mark.usefixtures("nothing_done")
def test_few_classes_are_counted() -> None:
    words = ["two-tasks", "--tasks", "letters", "cars", "--classes", "4", "--images-per-class", "5"]
    drawn = parse("run", "", words)
    assert data_of(drawn, plan(drawn))["cars"].sizes == (20, 60, 100)
    real = parse("run", "", [*words, "--root", "DIR"])
    assert data_of(real, plan(real))["cars"].sizes == (
        20,
        round(4020 * 4 / 196),
        round(4021 * 4 / 196),
    )


def test_digits_and_tuning_are_planned_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dry_run, "measured", lambda *_: COSTS)
    said = said_by("tune", "split-mnist", "--methods", "mas", capsys=capsys)
    assert "9 runs" in said
    assert "  1-2: 2 classes, 400 train" in said
    assert "runs/tuning/strength=100/split-mnist/mas" in said
    assert list(tmp_path.iterdir()) == []


def test_a_stream_of_ones_own_is_planned(capsys: pytest.CaptureFixture[str]) -> None:
    stream = "tests.benchmarks.conftest:make_stream"
    said = said_by("run", "own", "--stream", stream, "--methods", "mas", capsys=capsys)
    assert "  letters: 3 classes, 24 train, 12 validation, 12 test" in said
    assert "\nletters → svhn\n" in said
    assert "()" not in said
    assert "a step on 32 images" in said


def test_what_is_finished_or_in_the_way_is_told(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--methods", "mas") == 0
    capsys.readouterr()
    assert run(tmp_path, "--methods", "mas", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "1 run, 1 of them finished" in said
    assert said.endswith("nothing is left to do\n")
    assert "holds another run" not in said
    assert run(tmp_path, "--methods", "mas", "--learning-rate", "1", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "1 run, 0 of them finished" in said
    assert f"{tiny[0].folder} holds another run (learning_rate)" in said
    conflict = "CONFLICT: 1 of the folders hold other runs (learning_rate); choose another --output"
    assert said.splitlines()[-1].startswith(conflict)
    assert len(tiny) == 1


@pytest.mark.parametrize("method", ["fine-tuning", "mas", "joint"])
@pytest.mark.parametrize("first_epochs", [None, 1])
def test_steps_are_those_of_a_run(
    method: str, first_epochs: int | None, make_job: Any, stream: TaskBenchmark
) -> None:
    settings: Settings = make_job(method, first_epochs=first_epochs).settings
    sizes = [tuple(task.sizes) for task in stream.tasks]
    work = work_of(settings, sizes)
    assert work.steps == Learner(settings, None, stream).steps
    assert work.penalised == (work.steps - (first_epochs or 2) * 3 if method == "mas" else 0)
    assert work.evaluated == (2 if method == "joint" else 3) * 12
    assert work.measured == (48 if method == "mas" else 0)


def test_trials_of_the_framework_count(make_job: Any) -> None:
    sizes = [(24, 12, 12), (24, 12, 12)]
    once = work_of(make_job("mas").settings, sizes).steps // 2
    chosen = make_job("mas", choose="framework", strength=None).settings
    rates = len(RATE_SHARES)
    assert work_of(chosen, sizes, most=False).steps == once * (1 + rates + 1 + rates + 1)
    assert work_of(chosen, sizes).steps == once * (1 + rates + 1 + rates + 1 + MAX_HALVINGS)
    for most, strengths in ((False, 1), (True, 1 + MAX_HALVINGS)):
        with_method = work_of(chosen, sizes, most=most)
        assert with_method.penalised == once * (1 + strengths)
        assert with_method.measured == 24 + 24 * (1 + strengths)
    stopped = make_job("mas", patience=1).settings
    assert work_of(stopped, sizes).evaluated == 3 * 12 + 2 * 2 * 12


def test_the_parts_of_a_run_are_measured(make_job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "BUDGET", 0.05)
    settings = make_job("mas", model="small-cnn", image_size=16, batch_size=8).settings
    loaded: list[int] = []
    threads = torch.get_num_threads()
    costs = measured(settings, (3, 16, 16), 5, ["global", "local"], loaded.append, threads)
    assert min(costs.step, costs.penalty, costs.evaluation, *costs.importance.values()) > 0
    assert set(costs.importance) == {"global", "local"}
    assert costs.memory is not None
    assert costs.network is not None
    assert costs.network < costs.memory
    assert set(loaded) == {8}
    assert "a step on 8 images" in costs.source
    work = Work(steps=10, penalised=4, evaluated=0, measured=100)
    assert costs.seconds(settings, work) == pytest.approx(
        10 * costs.step + 4 * costs.penalty + 100 * costs.importance["global"]
    )


def test_a_batch_that_takes_too_long_is_measured_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: now[0])

    def work(count: int) -> None:
        now[0] += count

    assert estimate._time(work, 200, lambda: None) == (1.0, 12)
    assert estimate._time(work, 4, lambda: None) == (1.0, 4)


def test_a_gpu_that_is_not_here_is_estimated_from_records_or_not_at_all(
    make_job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(estimate, "RECORDED", tmp_path)
    words = ("run", "eight-tasks", "--protocol", "paper", "--device", "cuda")
    said = said_by(*words, capsys=capsys)
    assert "this machine has no GPU, and benchmarks/results has no GPU steps of alexnet" in said
    step = {
        "machine": {"gpu": "H100"},
        "cases": {
            "alexnet, 200": {"seconds": {"plain": [2, 1, 3], "loss form": [5], "damped": [3]}}
        },
    }
    omega = {"networks": {"alexnet, 200": {"seconds": {"exact": [4, 4], "local": [2]}}}}
    for name, content in {"step": step, "importance": omega}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    settings = make_job("mas", model="alexnet", image_size=224, batch_size=200).settings
    costs = recorded(settings)
    assert costs is not None
    assert (costs.step, costs.importance) == (2, {"global": 0.02, "local": 0.01})
    assert costs.penalty == 3
    damped = recorded(replace(settings, penalty="damped"))
    assert damped is not None
    assert damped.penalty == 1
    assert (
        recorded(make_job("mas", model="alexnet", image_size=64, batch_size=200).settings) is None
    )
    assert recorded(make_job("mas", model="alexnet", image_size=224, batch_size=8).settings) is None
    said = said_by(*words, capsys=capsys)
    assert "time: recorded on H100, without loading and evaluation" in said
    (alone,), (shared,) = (
        re.findall(
            r"together (.+?); (\d) at a time: (.+?)\. Other", said_by(*words, *more, capsys=capsys)
        )
        for more in (["--jobs", "1"], ["--jobs", "4"])
    )
    assert (alone[1], shared[1]) == ("1", "4")
    assert alone[2] == shared[2] == shared[0], "they share one GPU"
    assert "memory: not recorded" in said
