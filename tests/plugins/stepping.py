"""Strategies whose steps a loop written by hand can repeat, and the loop."""

from __future__ import annotations

import copy
from typing import Any

import torch
from avalanche.training import Naive
from torch import Tensor, nn

from avalanche_mas import MASPlugin
from tests.plugins.cases import (
    Strategy,
    assert_close,
    domain_incremental,
    strategy_for,
    weights,
)

LR, BATCH = 0.05, 6


def linear() -> nn.Module:
    """No dropout and no batch norm, so that a loop by hand can repeat what is trained."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))


def learned(
    kind: type = Naive, strength: float = 0.5, form: str = "damped", **options: Any
) -> tuple[Strategy, MASPlugin, Any]:
    """A strategy that has learned the first of two tasks."""
    model, plugin = linear(), MASPlugin(strength, penalty=form)  # type: ignore[arg-type]
    benchmark = domain_incremental(2)
    strategy = strategy_for(model, plugin, kind=kind, train_mb_size=BATCH, **options)
    strategy.train(benchmark.train_stream[0])
    return strategy, plugin, benchmark.train_stream[1]


def by_hand(
    model: nn.Module, plugin: MASPlugin, batches: list[list[Any]], *, damped: bool
) -> nn.Module:
    """SGD with momentum 0.9 and the penalty, written out; a step for each list of micro-batches."""
    model = copy.deepcopy(model)
    buffers: dict[str, Tensor] = {}
    for micro in batches:
        model.zero_grad()
        for x, y in micro:
            (nn.functional.cross_entropy(model(x), y) / len(micro)).backward()
        with torch.no_grad():
            for name, p in model.named_parameters():
                assert p.grad is not None
                h = 2 * plugin.lambda_reg * plugin.importance[name]
                g = p.grad + h * (p - plugin.anchors[name])
                g = g / (1 + LR * h) if damped else g
                buffers[name] = 0.9 * buffers[name] + g if name in buffers else g
                p.sub_(buffers[name], alpha=LR)
    return model


class Recording(Naive):
    """Keeps the batches that it trains on."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self) -> Tensor:
        if self.is_training:
            self.seen.append((self.mb_x, self.mb_y))
        return super().forward()


class Accumulating(Recording):
    """A step for every second micro-batch."""

    def training_epoch(self, **kwargs: Any) -> None:
        for k, batch in enumerate(self.dataloader):
            self.mbatch = batch
            self._unpack_minibatch()
            self._before_training_iteration(**kwargs)
            if k % 2 == 0:
                self.optimizer.zero_grad()
            self.loss = self._make_empty_loss()
            self.mb_output = self.forward()
            self.loss += self.criterion() / 2
            self._before_backward(**kwargs)
            self.backward()
            self._after_backward(**kwargs)
            self._before_update(**kwargs)
            if k % 2 == 1:
                self.optimizer_step()
            self._after_update(**kwargs)
            self._after_training_iteration(**kwargs)


class Scaled(Recording):
    """float16's scaled loss; the arithmetic stays float32, so that a loop by hand can repeat it."""

    scaler: Any = None

    def backward(self) -> None:
        self.scaler = self.scaler or torch.amp.GradScaler("cpu", init_scale=1024.0)
        self.scaler.scale(self.loss).backward()

    def optimizer_step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()


class Evaluating(Recording):
    """Steps whose closure evaluates the loss and its gradient again."""

    def optimizer_step(self) -> None:
        def closure() -> Tensor:
            self.optimizer.zero_grad()
            self.loss = nn.functional.cross_entropy(self.model(self.mb_x), self.mb_y)
            self.loss.backward()
            return self.loss

        self.optimizer.step(closure)


def assert_follows_the_loop(kind: type, form: str, micro_batches: int = 1) -> None:
    """Train on the second task, and compare with the loop by hand on the batches that were seen."""
    strategy, plugin, task = learned(kind, form=form)
    strategy.seen.clear()
    before, held = copy.deepcopy(strategy.model), copy.deepcopy(plugin)
    strategy.train(task, reset_optimizer_state=True)
    starts = range(0, len(strategy.seen), micro_batches)
    batches = [strategy.seen[k : k + micro_batches] for k in starts]
    expected = by_hand(before, held, batches, damped=form == "damped")
    assert_close(weights(strategy.model), weights(expected))
