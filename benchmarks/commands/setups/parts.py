"""What set-ups add to training, by hand; when each method is called, see `hand.Loop`.

`run` is the loop, or for the first three, which are also users' plugins, a strategy of Avalanche.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from benchmarks.commands.setups.hand import Batch, Named, batches, copies, joined, squares


@dataclass
class Clip:
    """Clipping of the gradient, to a 2-norm or by entry."""

    limit: float
    by_entry: bool = False

    def after_backward(self, run: Any) -> None:
        (clip_grad_value_ if self.by_entry else clip_grad_norm_)(run.model.parameters(), self.limit)


@dataclass
class Average:
    """An exponential moving average of the parameters, which a task ends with."""

    decay: float = 0.8

    def begin_task(self, run: Any) -> None:
        self.mean = copies(run.model)

    def after_step(self, run: Any) -> None:
        for name, p in copies(run.model).items():
            self.mean[name] = self.decay * self.mean[name] + (1 - self.decay) * p

    def end_task(self, run: Any, *_: Any) -> None:
        run.model.load_state_dict(self.mean, strict=False)


@dataclass
class Freeze:
    """A layer that is frozen in one of the tasks, which are numbered from 0."""

    layer: str
    frozen_in: int
    task: int = 0

    def begin_task(self, run: Any) -> None:
        run.model.get_submodule(self.layer).requires_grad_(self.task != self.frozen_in)
        self.task += 1


@dataclass
class Decay:
    """A learning rate that is multiplied by a factor after every so many steps of a task."""

    factor: float
    every: int
    per_epoch: bool = False

    def begin_task(self, _run: Any) -> None:
        self.steps = 0

    def begin_step(self, run: Any) -> None:
        for group in run.optimizer.param_groups:
            group["lr"] = group.setdefault("first", group["lr"])
            group["lr"] *= self.factor ** (self.steps // self.every)
        self.steps += 1


@dataclass
class Stop:
    """Early stopping on the loss of the first task, which goes back to the best epoch."""

    patience: int

    def begin_task(self, _run: Any) -> None:
        self.seen: list[tuple[float, Named]] = []

    @torch.no_grad()
    def stops(self, run: Any) -> bool:
        x, y = run.tasks[0][0]
        loss = cross_entropy(run.model.eval()(x), y).item()
        run.model.train()
        self.seen.append((loss, copy.deepcopy(run.model.state_dict())))
        best = min(range(len(self.seen)), key=lambda k: self.seen[k][0])
        ends = len(self.seen) - 1 - best >= self.patience
        if ends:
            run.model.load_state_dict(self.seen[best][1])
        return ends


@dataclass
class Replay:
    """All samples of the earlier tasks, in every batch."""

    memory: list[Batch] = field(default_factory=list)

    def replayed(self, _run: Any) -> Batch | None:
        return joined(self.memory) if self.memory else None

    def end_task(self, _run: Any, x: Tensor, y: Tensor) -> None:
        self.memory.append((x, y))


@dataclass
class Distil:
    """Learning without Forgetting: KL(teacher ‖ student) at a temperature, the mean over samples."""

    temperature: float = 2.0
    teacher: nn.Module | None = None

    def loss(self, _run: Any, x: Tensor, output: Tensor) -> Tensor | float:
        if self.teacher is None:
            return 0.0
        with torch.no_grad():
            target = (self.teacher(x) / self.temperature).softmax(1)
        log_p = (output / self.temperature).log_softmax(1)
        return kl_div(log_p, target, reduction="batchmean")

    def end_task(self, run: Any, *_: Any) -> None:
        self.teacher = copy.deepcopy(run.model)  # in train mode, as Avalanche's is


@dataclass
class Ewc:
    """EWC as Avalanche ships it: squares of the gradients of batches, a penalty for each task."""

    strength: float
    kept: list[tuple[Named, Named]] = field(default_factory=list)

    def loss(self, run: Any, _x: Tensor, _output: Tensor) -> Tensor | float:
        return self.strength * sum(squares(run.model, *each) for each in self.kept)

    def end_task(self, run: Any, *task: Tensor) -> None:
        names, parameters = zip(*run.model.named_parameters(), strict=True)
        run.model.eval()
        fisher = [torch.zeros_like(p) for p in parameters]
        parts = list(batches(task, run.batch_size))  # type: ignore[arg-type]
        for x, y in parts:
            gradients = torch.autograd.grad(cross_entropy(run.model(x), y), parameters)
            fisher = [f + g**2 / len(parts) for f, g in zip(fisher, gradients, strict=True)]
        run.model.train()
        self.kept.append((dict(zip(names, fisher, strict=True)), copies(run.model)))


@dataclass
class Project(Replay):
    """A-GEM: a gradient that would raise the loss on earlier tasks loses the part that does."""

    def replayed(self, _run: Any) -> None:
        return None

    def begin_step(self, run: Any) -> None:
        if self.memory:
            x, y = joined(self.memory)
            loss = cross_entropy(run.model(x), y)
            self.reference = torch.autograd.grad(loss, list(run.model.parameters()))

    def after_backward(self, run: Any) -> None:
        if not self.memory:
            return
        gradients = [p.grad for p in run.model.parameters()]
        along = _product(gradients, self.reference)
        if along < 0:
            factor = along / _product(self.reference, self.reference)
            for gradient, reference in zip(gradients, self.reference, strict=True):
                gradient -= factor * reference


def _product(left: Any, right: Any) -> Tensor:
    return torch.stack([(a * b).sum() for a, b in zip(left, right, strict=True)]).sum()
