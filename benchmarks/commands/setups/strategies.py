"""Strategies of Avalanche as users write them: accumulation, closures, mixed precision."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.training import Naive
from torch import Tensor


class Accumulating(Naive):
    """A step for every second batch."""

    def training_epoch(self, **kwargs: Any) -> None:
        for k, batch in enumerate(self.dataloader):
            self.mbatch = batch
            self._unpack_minibatch()
            self._before_training_iteration(**kwargs)
            if k % 2 == 0:
                self.optimizer.zero_grad()
            self.mb_output = self.forward()
            self.loss = self.criterion() / 2
            self._before_backward(**kwargs)
            self.backward()
            self._after_backward(**kwargs)
            if k % 2 == 1:
                self._before_update(**kwargs)
                self.optimizer_step()
                self._after_update(**kwargs)
            self._after_training_iteration(**kwargs)


class Closing(Naive):
    """Steps with a closure, which from its second call on evaluates the loss and its gradient again."""

    loss: Tensor

    def optimizer_step(self) -> None:
        first = True

        def closure() -> Tensor:
            nonlocal first
            if not first:
                self.optimizer.zero_grad()
                self.mb_output = self.forward()
                self.loss = self.criterion()
                self._before_backward()
                self.backward()
                self._after_backward()
            first = False
            return self.loss

        self.optimizer.step(closure)


class Mixed(Naive):
    """Forward passes in bfloat16."""

    low = torch.bfloat16

    def forward(self) -> Tensor:
        with torch.autocast("cpu", self.low):
            output: Tensor = super().forward()
        return output.float()


class Scaled(Mixed):
    """Forward passes in float16, and a scaled loss."""

    low = torch.float16
    scaler: Any = None

    def backward(self) -> None:
        self.scaler = self.scaler or torch.amp.GradScaler("cpu", init_scale=1024.0)
        self.scaler.scale(self.loss).backward()

    def optimizer_step(self) -> None:
        self.scaler.step(self.optimizer)
        self.scaler.update()
