"""A strategy's GradScaler goes on where it was."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from avalanche.training import Naive
from torch import nn

from avalanche_mas import MASPlugin
from avalanche_mas.checkpoint import CheckpointError, Checkpoints
from tests.checkpoint.test_checkpoints import Interrupted, after
from tests.plugins.cases import MultiHead, assert_equal, task_incremental, weights

pytestmark = [
    pytest.mark.filterwarnings("ignore:No loggers specified"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Scaled(Naive):
    """Every seventh step overflows, which halves the scale; two others in a row double it."""

    def __init__(self, *, happen: Any, late: bool, **options: Any) -> None:
        super().__init__(**options)
        self.happen = happen
        self.scaler: Any = None if late else self.new_scaler()

    def new_scaler(self) -> Any:
        return torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=2)

    def backward(self) -> None:
        self.scaler = self.scaler or self.new_scaler()
        overflows = self.clock.train_exp_iterations % 7 == 1
        self.scaler.scale(self.loss * math.inf if overflows else self.loss).backward()

    def optimizer_step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.happen()


def run(folder: Path, happen: Any = lambda: None, late: bool = False) -> Any:
    torch.manual_seed(0)
    model, checkpoints = MultiHead(), Checkpoints(folder, every_steps=1)
    strategy = Scaled(
        happen=happen,
        late=late,
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), 0.05, momentum=0.9),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=4,
        train_epochs=2,
        evaluator=None,
        plugins=[MASPlugin(1.0, accumulation="sum"), checkpoints],
    )
    for experience in checkpoints.remaining(strategy, task_incremental(2).train_stream):
        strategy.train(experience)
    return strategy


def test_goes_on_to_the_bit(tmp_path: Path) -> None:
    expected = run(tmp_path / "whole")
    for steps in (2, 3, 5, 4):
        with suppress(Interrupted):
            run(tmp_path / "parts", after(steps))
    found = run(tmp_path / "parts")
    assert expected.scaler.get_scale() != 2.0**8
    assert found.scaler.state_dict() == expected.scaler.state_dict()
    assert_equal(weights(found.model), weights(expected.model))


def test_one_that_is_made_in_training_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with suppress(Interrupted):
        run(tmp_path, after(3), late=True)
    with pytest.raises(
        CheckpointError,
        match=r"\(scale, growth_factor.*make that object in",
    ):
        run(tmp_path, late=True)
