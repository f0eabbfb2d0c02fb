"""Training with MAS by hand, in plain PyTorch: the loop that every set-up is compared with.

It uses nothing of avalanche_mas and nothing of Avalanche.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

Batch: TypeAlias = tuple[Tensor, Tensor]
"""Inputs [B, ...] and labels [B]."""

Named: TypeAlias = dict[str, Tensor]
"""Tensors by parameter name."""


@dataclass
class Loop:
    """The loop.

    A part has any of these methods, all with the loop as first argument: `begin_task()`; `stops()`,
    before an epoch, which tells whether the task ends instead; `begin_step()`; `replayed()`, a batch to
    add or None; `loss(x, output)`, a term to add; `after_backward()`; `before_step()`, when all have had
    the one before; `after_step()`; `after_epoch()`; `end_task(x, y)`; and `settle(x)`, when all have had
    the one before.

    Args:
        model: The network.
        optimizer: A torch optimizer, kept for all tasks.
        parts: What is added to plain training.
        epochs: How often each piece of a task is gone through.
        batch_size: Samples per batch, in order.
        accumulate: Batches per step of the optimizer.
        autocast: The type of the forward passes, if it is another than that of the parameters.
        scale: A factor on the loss, by which the gradient is divided again.
    """

    model: nn.Module
    optimizer: Optimizer
    parts: Sequence[Any]
    epochs: int
    batch_size: int
    accumulate: int = 1
    autocast: torch.dtype | None = None
    scale: float = 1.0

    def train(self, tasks: Sequence[Sequence[Batch]]) -> None:
        """Train on the tasks, each in one piece, or online in several, one after another."""
        self.tasks = tasks
        for pieces in tasks:
            self._each("begin_task")
            for piece in pieces:
                self._train_piece(list(batches(piece, self.batch_size)))
            x, y = joined(pieces)
            self._each("end_task", x, y)
            self._each("settle", x)

    def _train_piece(self, batches: Sequence[Batch]) -> None:
        for _ in range(self.epochs):
            if any(self._each("stops")):
                return
            for k in range(0, len(batches), self.accumulate):
                some = batches[k : k + self.accumulate]
                self._each("begin_step")
                self.optimizer.step(partial(self._evaluate, some))  # type: ignore[arg-type]
                self._each("after_step")
            self._each("after_epoch")

    def _evaluate(self, batches: Sequence[Batch]) -> Tensor:
        """Return what is minimised, on these batches, and leave its gradient in p.grad."""
        self.optimizer.zero_grad()
        total = torch.zeros(())
        for batch in batches:
            loss = self._loss(*joined([batch, *filter(None, self._each("replayed"))]))
            (self.scale * loss / len(batches)).backward()
            total = total + loss.detach() / len(batches)
        for p in self.model.parameters():
            if p.grad is not None:
                p.grad /= self.scale
        self._each("after_backward")
        self._each("before_step")
        return total

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast("cpu", self.autocast) if self.autocast else nullcontext():
            output = self.model(x)
        output = output.to(x.dtype)
        return sum(self._each("loss", x, output), cross_entropy(output, y))

    def _each(self, hook: str, *arguments: Any) -> list[Any]:
        parts = [part for part in self.parts if hasattr(part, hook)]
        return [getattr(part, hook)(self, *arguments) for part in parts]


@dataclass
class Mas:
    """Memory Aware Synapses.

    Args:
        form: How the penalty λ Σ Ω (θ − θ*)² is applied: "damped", "gradient" or "loss".
        strength: λ.
        alpha: The share of the earlier tasks in a blend of their Ω; None for the sum.
    """

    form: str = "damped"
    strength: float = 0.5
    alpha: float | None = None
    omega: Named = field(default_factory=dict)
    anchors: Named = field(default_factory=dict)

    def loss(self, run: Any, _x: Tensor, _output: Tensor) -> Tensor | float:
        """Return λ Σ Ω (θ − θ*)²."""
        if self.form != "loss":
            return 0.0
        return self.strength * squares(run.model, self.omega, self.anchors)

    @torch.no_grad()
    def before_step(self, run: Any) -> None:
        """With h = 2 λ Ω: g ← g + h (θ − θ*), which the damped form divides by 1 + η h."""
        if self.form == "loss":
            return
        rates = {p: group["lr"] for group in run.optimizer.param_groups for p in group["params"]}
        for name, p in run.model.named_parameters():
            if name in self.omega and p.requires_grad:
                h = 2 * self.strength * self.omega[name]
                gradient = p.grad + h * (p - self.anchors[name])
                p.grad = gradient / (1 + rates[p] * h) if self.form == "damped" else gradient

    def settle(self, run: Any, x: Tensor) -> None:
        """Measure Ω_n, accumulate it, and take the parameters as θ*."""
        for name, new in importance(run.model, x).items():
            if name not in self.omega:
                self.omega[name] = new
            elif self.alpha is None:
                self.omega[name] = self.omega[name] + new
            else:
                self.omega[name] = self.alpha * self.omega[name] + (1 - self.alpha) * new
        self.anchors = {name: p for name, p in copies(run.model).items() if name in self.omega}


def importance(model: nn.Module, x: Tensor) -> Named:
    """Return Ω: the mean over samples of |∂‖F(x)‖²/∂θ|, in eval mode, one sample at a time."""
    model.eval()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for sample in x.split(1):
        squared_norm = model(sample).square().sum()
        gradients = torch.autograd.grad(squared_norm, list(parameters.values()))
        for name, gradient in zip(parameters, gradients, strict=True):
            total[name] += gradient.abs()
    model.train()
    return {name: tensor / len(x) for name, tensor in total.items()}


def squares(model: nn.Module, weights: Named, anchors: Named) -> Tensor | float:
    """Return Σ w (θ − θ*)²."""
    parameters = dict(model.named_parameters())
    return sum((w * (parameters[name] - anchors[name]) ** 2).sum() for name, w in weights.items())


def copies(model: nn.Module) -> Named:
    """Return copies of the parameters."""
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def batches(data: Batch, size: int) -> Iterator[Batch]:
    """Return the data in batches, in order."""
    return zip(data[0].split(size), data[1].split(size), strict=True)


def joined(parts: Sequence[Batch]) -> Batch:
    """Return batches as one."""
    return torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts])
