"""How a task is trained, the same for every method: seeds, learning rate, clipping, stopwatch."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import numpy as np
import torch
from avalanche.core import SupervisedPlugin

MOMENTUM = 0.9
WARM_UP = 0.3


def seed_everything(seed: int, task: int = 0) -> None:
    """Seed Python's, NumPy's and torch's global generators for one task of one run.

    Every task starts from its own seed, so that a method which draws random numbers of its own
    changes neither the order of the next task's batches nor its head's initial weights.
    """
    number = 1_000 * seed + task
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - the generator that third-party transforms draw from
    torch.manual_seed(number)


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Return the learning rate of step `step` (from 0) of `steps`.

    After Smith and Topin 2018, arXiv 1708.07120. It rises along a cosine from `peak`/25 to `peak`
    over the first 30 % of the steps, then falls along a cosine to nearly 0.
    """
    turn = WARM_UP * steps
    if step < turn:
        low, high, share = peak / 25, peak, step / turn
    else:
        low, high, share = peak, 0.0, (step - turn) / (steps - turn)
    return high + (low - high) * (1 + math.cos(math.pi * share)) / 2


class OneCycle(SupervisedPlugin):
    """Sets the learning rate of every step of a task by `one_cycle`.

    Args:
        peak: The highest learning rate.
    """

    def __init__(self, peak: float) -> None:
        super().__init__()
        self.peak = peak

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Set the learning rate of the step to come."""
        steps = strategy.train_epochs * len(strategy.dataloader)
        rate = one_cycle(strategy.clock.train_exp_iterations, steps, self.peak)
        for group in strategy.optimizer.param_groups:
            group["lr"] = rate


class ClipGradient(SupervisedPlugin):
    """Scales the gradient, with what the method added, down to a largest 2-norm before the step.

    Args:
        norm: The largest 2-norm of the gradient over all parameters.
    """

    def __init__(self, norm: float) -> None:
        super().__init__()
        self.norm = norm

    def before_update(self, strategy: Any, **_: Any) -> None:
        """Clip the gradient in place.

        The squares are added one after the other, so that a parameter whose gradient is zero
        changes no bit of the sum, as if it had none: a penalty without effect has none here.
        """
        parameters = strategy.model.parameters()
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = math.sqrt(sum(torch.linalg.vector_norm(g).item() ** 2 for g in gradients))
        if norm > self.norm:
            for gradient in gradients:
                gradient.mul_(self.norm / norm)


class TimeStamp(SupervisedPlugin):
    """Notes when each task's training ends; two of them around a method's plugins time these."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def after_training_exp(self, strategy: Any, **_: Any) -> None:  # noqa: ARG002
        """Note the time."""
        self.times.append(time.perf_counter())
