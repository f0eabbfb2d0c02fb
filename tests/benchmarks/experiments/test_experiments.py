"""Tiny runs of the experiments on digits and on several sequences of tasks."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.commands.options import parse
from benchmarks.commands.plan import plan
from benchmarks.experiments.digits.streams import load_digits
from benchmarks.methods import METHODS
from benchmarks.record.schema import CONFIG, METRICS, RESULT
from benchmarks.run.data import load_stream, stream_of, with_data
from benchmarks.run.job import Job
from benchmarks.run.names import folder_of
from benchmarks.run.runner import Learner, run

# Avalanche's Synaptic Intelligence hands a tensor to np.square.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")

SHARED = Path(__file__).parents[4] / "shared" / "data" / "extras"
MakeDigitJob = Callable[..., Job]


@pytest.fixture(autouse=True)
def few_digits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A few drawn digits, none of them left for other tests."""
    monkeypatch.setattr(
        "benchmarks.experiments.digits.drawn.PER_DIGIT", {"train": 4, "valid": 1, "test": 2}
    )
    caches = (load_digits, load_stream)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def digit_job(tmp_path: Path) -> MakeDigitJob:
    """A maker of the job that a command line for one run asks for."""

    def make(*arguments: str) -> Job:
        (settings,) = plan(parse("run", "", arguments))
        settings = with_data(settings, stream_of(settings, None))
        return Job(settings, tmp_path / folder_of(settings, Path()))

    return make


def silent(job: Job) -> dict[str, Any]:
    return run(job, say=lambda _: None)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "experiment",
    [
        "split-mnist --tasks 1-2 9-0",
        "permuted --permutations 2",
        "split-mnist --tasks 1-2 9-0 --scenario class --optimizer adam",
        "split-mnist --tasks 1-2 9-0 --scenario domain --optimizer adamw --penalty explicit",
        "permuted --permutations 2 --scenario task --optimizer adam --weight-decay 0.1",
    ],
)
def test_every_method_learns_digits_with_a_head_each_and_with_one_for_all(
    experiment: str, method: str, digit_job: MakeDigitJob
) -> None:
    result = silent(digit_job(*experiment.split(), "--methods", method, "--epochs", "1"))
    matrix = np.array(result["accuracy"], dtype=float)
    assert (np.isfinite(matrix) == [[not METHODS[method].joint, False], [True, True]]).all()
    digits = [2, 2] if "split" in experiment else [10, 10]
    assert result["classes"] == digits
    assert result["stand_ins"] == []
    assert {data["agreement"] for data in result["data"]} == {"drawn"}
    assert len({data["split"] for data in result["data"]}) == 2


def test_mas_holds_the_head_that_all_permutations_share(digit_job: MakeDigitJob) -> None:
    job = digit_job("permuted", "--permutations", "2", "--methods", "mas", "--epochs", "1")
    learner = Learner(job.settings, None, stream_of(job.settings, None))
    for part in learner.parts:
        learner.learn(part)
    model, mas = learner.strategy.model, learner.plugins[0]
    parameters = dict(model.named_parameters())
    assert mas.importance.keys() == parameters.keys()
    heads = [name for name, p in parameters.items() if p.shape[0] == 10]
    assert [parameters[name].ndim for name in heads] == [2, 1]
    assert all(float(mas.importance[name].max()) > 0 for name in heads)


@pytest.mark.parametrize(("method", "epochs"), [("fine-tuning", [3, 2, 2]), ("joint", [2])])
def test_the_first_task_has_epochs_of_its_own(
    method: str, epochs: list[int], digit_job: MakeDigitJob
) -> None:
    arguments = ["split-mnist", "--tasks", "1-2", "3-4", "5-6", "--methods", method]
    job = digit_job(*arguments, "--first-epochs", "3", "--epochs", "2", "--batch-size", "4")
    silent(job)
    with (job.folder / METRICS).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if "Epoch/train_phase" in row["name"]]
    counts = Counter(row["experience"] for row in rows if row["name"].startswith("Top1"))
    assert sorted(counts.values(), reverse=True) == epochs


def test_progress_counts_the_first_tasks_epochs(
    digit_job: MakeDigitJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1, 10_000))
    monkeypatch.setattr("benchmarks.run.loggers.time.monotonic", lambda: next(clock))
    arguments = ["split-mnist", "--tasks", "1-2", "3-4", "--methods", "fine-tuning"]
    job = digit_job(*arguments, "--first-epochs", "3", "--epochs", "1", "--batch-size", "4")
    shares: list[float] = []
    run(job, say=lambda _: None, show=shares.append)
    assert shares == pytest.approx([step / 8 for step in range(1, 9)])


def test_a_whole_command_on_drawn_digits(
    here: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "permuted", "--permutations", "2", "--methods", "fine-tuning", "mas"]
    command += ["--epochs", "1", "--wandb", "disabled", "--output", str(tmp_path)]
    assert main(command) == 0
    assert main(command) == 0
    assert len(here) == 2
    out = capsys.readouterr().out
    assert "reading the data: p1, p2 (drawn)" in out
    assert out.count("already there") == 2
    config = json.loads((tmp_path / "permuted" / "mas" / "seed0" / CONFIG).read_text())
    assert (config["model"], config["image_size"], config["source"]) == ("mlp", 28, "drawn")
    assert config["samples"] == {"p1": [40, 10, 20], "p2": [40, 10, 20]}
    other = [*command, "--permutations", "3"]
    assert main(other) == 2
    assert "another configuration: tasks is ['p1', 'p2'] there" in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs MNIST's test files in ../shared/data/extras")
def test_the_stand_in_is_marked_in_every_result(
    here: list[Job],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["run", "split-mnist", "--tasks", "1-2", "3-4", "--methods", "fine-tuning"]
    command += ["--epochs", "1", "--wandb", "disabled"]
    command += ["--output", str(tmp_path), "--root", str(SHARED)]
    assert main(command) == 2
    assert "use --stand-ins mnist to split the test images" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main([*command, "--stand-ins", "mnist"]) == 0
    (folder,) = {job.folder for job in here}
    result = json.loads((folder / RESULT).read_text())
    assert result["stand_ins"] == ["1-2", "3-4"]
    assert json.loads((folder / CONFIG).read_text())["stand_ins"] == ["1-2", "3-4"]
    assert {data["agreement"] for data in result["data"]} == {"stand-in"}


def test_images_that_a_network_cannot_take_are_refused_before_any_run(
    here: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "split-mnist", "--model", "squeezenet", "--weights", "none"]
    assert main([*command, "--output", str(tmp_path)]) == 2
    assert "squeezenet takes images of 3 channels, and these have 1" in capsys.readouterr().err
    assert here == []


def test_all_ordered_pairs_are_run_and_those_there_are_skipped(
    tiny: list[Job], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "two-tasks", "--tasks", "letters", "svhn", "--methods", "fine-tuning"]
    command += ["--epochs", "1", "--wandb", "disabled", "--output", str(tmp_path)]
    assert main(command) == 0
    assert main([*command, "--pairs"]) == 0
    assert [job.settings.tasks for job in tiny] == [("letters", "svhn"), ("svhn", "letters")]
    assert capsys.readouterr().out.count("already there") == 1
    results = {file.parent.relative_to(tmp_path).as_posix() for file in tmp_path.rglob(RESULT)}
    assert results == {
        "two-tasks/letters-svhn/fine-tuning/seed0",
        "two-tasks/svhn-letters/fine-tuning/seed0",
    }
