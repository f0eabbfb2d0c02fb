"""Every strategy and plugin of Avalanche that runs here, and what users add, interrupted and resumed."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.benchmarks.scenarios.online import split_online_stream
from avalanche.evaluation.metrics import accuracy_metrics, forgetting_metrics, loss_metrics
from avalanche.logging import BaseLogger
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from torch import nn

from avalanche_mas import MASPlugin
from avalanche_mas.checkpoint import CheckpointError, Checkpoints
from avalanche_mas.metrics import AccuracyMatrix
from tests.checkpoint.catalogue import CASES, Case
from tests.checkpoint.script import numbers

pytestmark = pytest.mark.filterwarnings("ignore")  # Avalanche's strategies warn of many things

TASKS = 3


class Interrupted(BaseException):
    """Stands for the end of a process."""


class At(SupervisedPlugin):
    """Interrupts after a training step or a batch of evaluation, counted over the process."""

    def __init__(self, hook: str = "", count: int = 0) -> None:
        super().__init__()
        self.hook, self.left = hook, count

    def _seen(self, hook: str) -> None:
        self.left -= hook == self.hook
        if hook == self.hook and self.left == 0:
            raise Interrupted

    def after_training_iteration(self, *_: Any, **__: Any) -> None:
        self._seen("train")

    def after_eval_iteration(self, strategy: Any, *_: Any, **__: Any) -> None:
        if strategy.clock.train_exp_counter == 2:  # the evaluation after the second experience
            self._seen("eval")


def run(case: Case, folder: Path, at: At) -> dict[str, Any]:
    """Run the script of a case to its end, and return its numbers."""
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    benchmark = nc_benchmark(
        case.data(0), case.data(1), n_experiences=TASKS, task_labels=case.labels, seed=0
    )
    model = case.model()
    optimizer = case.optimizer(model.parameters())
    own = case.plugins(optimizer, model)
    saving: dict[str, Any] = {"every_steps": 1, "every_minutes": None, "say": str, **case.saving}
    if saving.get("by_attributes") == "own":
        saving["by_attributes"] = own
    checkpoints = Checkpoints(folder, skip=[at], **saving)
    matrix = AccuracyMatrix("test")
    evaluator = EvaluationPlugin(
        accuracy_metrics(
            minibatch=case.accuracies, epoch=case.accuracies, experience=True, stream=True
        ),
        loss_metrics(epoch_running=True, experience=True),
        forgetting_metrics(experience=True),
        matrix,
        loggers=[BaseLogger()],
    )
    mas = [MASPlugin(0.5, accumulation="sum", penalty="loss")] if case.mas else []
    made: dict[str, Any] = {"model": model, "criterion": nn.CrossEntropyLoss(), **case.options}
    strategy = case.kind(
        **{name: value for name, value in made.items() if value is not None},
        optimizer=optimizer,
        train_mb_size=4,
        train_epochs=2,
        eval_mb_size=7,
        evaluator=evaluator,
        plugins=[*mas, *own, at, checkpoints],
    )
    for experience in checkpoints.remaining(strategy, stream_of(case, benchmark)):
        strategy.train(experience, eval_streams=[benchmark.test_stream], **case.train)
        strategy.eval(benchmark.test_stream)
    return numbers(strategy, matrix)


def stream_of(case: Case, benchmark: Any) -> Any:
    if case.stream == "joint":
        return [benchmark.train_stream]
    if case.stream == "online":
        return split_online_stream(benchmark.train_stream, 10, seed=0, access_task_boundaries=True)
    return benchmark.train_stream


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_goes_on_to_the_bit_or_is_refused_before_training(case: Case, tmp_path: Path) -> None:
    """Interrupted in the first experience, twice within the second, and in evaluation."""
    if case.refused:
        with pytest.raises(CheckpointError, match=case.refused):
            run(case, tmp_path, At())
        assert not list(tmp_path.glob("*step*"))
        return
    expected = run(case, tmp_path / "whole", At())
    places = (At("train", 3), At("train", 13), At("train", 4), At("eval", 2))
    for at in places:
        with suppress(Interrupted):
            run(case, tmp_path / "parts", at)
    reached = sum(at.left <= 0 for at in places)
    assert reached >= 2 if case.stops_early else reached == 3 + case.evaluated
    assert run(case, tmp_path / "parts", At()) == expected
