"""Early stopping: whose accuracy decides, when training stops, and which weights are kept."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from avalanche_mas import MASPlugin
from avalanche_mas.models import multi_head
from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.schema import METRICS
from benchmarks.run.job import Job
from benchmarks.run.runner import run
from benchmarks.run.training import validation
from benchmarks.run.training.validation import EarlyStopping, accuracy_on
from tests.benchmarks.conftest import CLASSES, NAMES, SIZES, make_stream
from tests.benchmarks.strategies import Look, strategy_of, train, values

MakeJob = Callable[..., Job]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace accuracies on validation data by those of a test."""

    def script(*accuracies: float) -> None:
        coming: Iterator[float] = iter(accuracies)
        monkeypatch.setattr(validation, "accuracy_on", lambda *_: next(coming))

    return script


def with_statistics() -> Any:
    """A network with batch normalisation."""
    body = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8), nn.BatchNorm1d(8), nn.ReLU())
    return multi_head(body, features=8)


def states(strategy: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in strategy.model.state_dict().items()}


def first_task(job: Job, stream: TaskBenchmark, *observers: Any, **how: Any) -> Any:
    strategy = strategy_of(job, stream, *observers, **how)
    strategy.train(stream.train_stream[0], eval_streams=[])
    return strategy


@pytest.mark.parametrize(
    ("patience", "accuracies", "epochs", "kept"),
    [
        (2, [0.5, 0.6, 0.6, 0.1], 4, 2),
        (1, [0.5, 0.4], 2, 1),
        (3, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 6, 6),
        (3, [0.1, 0.2, 0.5, 0.4, 0.3, 0.45], 6, 3),  # all epochs, the best is not the last
    ],
)
def test_training_stops_and_the_best_epoch_is_put_back(
    patience: int,
    accuracies: Sequence[float],
    epochs: int,
    kept: int,
    make_job: MakeJob,
    stream: TaskBenchmark,
    scripted: Callable[..., None],
) -> None:
    scripted(*accuracies)
    look = Look(after_training_epoch=states)
    job = make_job("fine-tuning", patience=patience, epochs=6)
    strategy = first_task(job, stream, look, model=with_statistics())
    after = look.seen["after_training_epoch"]
    assert len(after) == epochs
    assert "body.2.running_mean" in after[0]
    for name, value in strategy.model.state_dict().items():
        assert torch.equal(value, after[kept - 1][name]), name
    assert epochs == kept or not torch.equal(
        after[kept - 1]["body.1.weight"], after[-1]["body.1.weight"]
    )


def test_importance_is_measured_on_the_weights_that_are_kept(
    make_job: MakeJob, stream: TaskBenchmark, scripted: Callable[..., None]
) -> None:
    scripted(0.5, 0.9, 0.4, 0.3)
    mas, look = MASPlugin(), Look(after_training_epoch=values)
    job = make_job("fine-tuning", patience=2, epochs=9)
    first_task(job, stream, look, method_plugins=[mas])
    best = look.seen["after_training_epoch"][1]
    assert all(torch.equal(anchor, best[name]) for name, anchor in mas.anchors.items())


def test_the_plateau_schedule_in_a_run(
    make_job: MakeJob, stream: TaskBenchmark, scripted: Callable[..., None]
) -> None:
    # a gain in epochs 1 and 8, none for five before that, none for ten after it; then another task
    scripted(0.5, *[0.4] * 6, 0.6, *[0.6] * 10, *[0.1] * 11)
    look = Look(before_training_epoch=lambda _: None, before_update=rates)
    job = make_job("fine-tuning", schedule="plateau", patience=10, epochs=40, learning_rate=0.01)
    train(strategy_of(job, stream, look), stream)
    expected = [0.01] * 6 + [0.001] * 7 + [0.0001] * 5 + [0.01] * 6 + [0.001] * 5
    assert look.seen["before_update"][::3] == pytest.approx(expected)


def rates(strategy: Any) -> float:
    (rate,) = {group["lr"] for group in strategy.optimizer.param_groups}
    return float(rate)


def test_every_task_is_judged_by_its_own_accuracies(
    make_job: MakeJob, stream: TaskBenchmark, scripted: Callable[..., None]
) -> None:
    scripted(0.9, 0.8, 0.1, 0.2, 0.1)  # the second task gains on itself, though not on the first
    look = Look(after_training_epoch=lambda s: s.experience.current_experience)
    train(strategy_of(make_job("fine-tuning", patience=1, epochs=9), stream, look), stream)
    assert look.seen["after_training_epoch"] == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(("method", "looked_at"), [("fine-tuning", [0, 0, 1, 1]), ("joint", None)])
def test_only_validation_data_of_what_is_trained_on_are_looked_at(
    method: str,
    looked_at: list[int] | None,
    make_job: MakeJob,
    stream: TaskBenchmark,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    valid = [experience.dataset for experience in stream.valid_stream]
    seen: list[int] = []

    def look(_: Any, dataset: Any) -> float:
        seen.append(next(number for number, one in enumerate(valid) if one is dataset))
        return 0.5 + 0.1 * len(seen)

    monkeypatch.setattr(validation, "accuracy_on", look)
    strategy = strategy_of(make_job(method, patience=5), stream)
    if method == "joint":
        strategy.train(stream.train_stream, eval_streams=[])
        (stopping,) = [p for p in strategy.plugins if isinstance(p, EarlyStopping)]
        assert stopping.accuracies == pytest.approx([0.65, 0.85])  # the mean over the tasks
        assert seen == [0, 1, 0, 1]
    else:
        train(strategy, stream)
        assert seen == looked_at


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_accuracy_is_that_of_an_evaluation_and_leaves_no_trace(
    precision: str, make_job: MakeJob, stream: TaskBenchmark
) -> None:
    found: list[float] = []

    def measure(strategy: Any) -> None:
        strategy.model.body[0].eval()  # a mode of its own
        before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
        batch, modes = strategy.mbatch, [m.training for m in strategy.model.modules()]
        state = states(strategy)
        found.append(accuracy_on(strategy, stream.valid_stream[0].dataset))
        after = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
        assert torch.equal(before[0], after[0])
        assert before[1:] == after[1:]
        assert strategy.mbatch is batch
        assert all(torch.equal(v, state[name]) for name, v in strategy.model.state_dict().items())
        assert [m.training for m in strategy.model.modules()] == modes
        strategy.model.train()

    look = Look(after_training_epoch=measure)
    job = make_job("fine-tuning", precision=precision)
    strategy = first_task(job, stream, look, model=with_statistics())
    right = total = 0
    with torch.no_grad():
        for x, y, task in stream.valid_stream[0].dataset:
            output = strategy.model.eval()(x[None], int(task))
            right, total = right + int(output.argmax() == y), total + 1
    assert total == SIZES.valid
    assert found[-1] == right / total
    assert found[-1] > 0


def test_stopping_that_never_stops_changes_no_step(
    make_job: MakeJob, stream: TaskBenchmark
) -> None:
    seen = []
    for patience in (None, 50):
        look = Look(after_update=values)
        train(strategy_of(make_job("fine-tuning", patience=patience), stream, look), stream)
        seen.append(look.seen["after_update"][:6])  # the first task
    for plain, watched in zip(*seen, strict=True):
        assert all(torch.equal(plain[name], watched[name]) for name in plain)


def test_what_was_seen_is_recorded(make_job: MakeJob, stream: TaskBenchmark) -> None:
    job = make_job("fine-tuning", patience=1, epochs=3)
    run(job, say=lambda _: None, stream=stream)
    with (job.folder / METRICS).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for task in ("0", "1"):
        name = f"train_phase/valid_stream/Exp00{task}"
        accuracies = [
            float(row["value"]) for row in rows if row["name"] == f"Valid_Acc_Epoch/{name}"
        ]
        (kept,) = [float(row["value"]) for row in rows if row["name"] == f"Epochs_Kept/{name}"]
        assert 1 <= len(accuracies) <= 3
        assert accuracies.index(max(accuracies)) == kept - 1
        assert {row["experience"] for row in rows if row["name"].endswith(name)} == {task}


def test_a_task_without_validation_data_is_refused(make_job: MakeJob) -> None:
    stream = make_stream(NAMES, CLASSES)
    empty = stream.valid_stream[0]
    empty._dataset = empty.dataset.subset([])
    with pytest.raises(ValueError, match="task 0 has none; leave out --patience"):
        first_task(make_job("fine-tuning", patience=1), stream)
