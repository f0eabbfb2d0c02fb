"""MAS as an Avalanche plugin: *when* importance is measured and the penalty is applied."""

from __future__ import annotations

import copy
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.templates import SupervisedTemplate
from avalanche.training.templates.update_type.meta_update import MetaUpdate
from torch import Tensor

from avalanche_mas.growth import grown
from avalanche_mas.importance import Importance, global_importance
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.tasks import (
    Data,
    Forward,
    batches_of,
    ends_task,
    names_left_out,
    starts_task,
    task_data,
    task_labels_of,
)


class MASPlugin(SupervisedPlugin):
    """Memory Aware Synapses (Aljundi et al., ECCV 2018) in any supervised Avalanche strategy.

    After each task, Ω_n is measured on the task's own data and added to Ω, and the parameters
    become θ*. From the second task on, λ Σ Ω (θ − θ*)² is part of what is minimised (squared
    norm, no ½; see `avalanche_mas.importance` and `avalanche_mas.penalty`). Importance needs no
    labels; it is measured with the eval transforms, the model in eval mode, through the
    dataset's own collate function, and does not depend on the batch size.

    What a task is: a training experience. Training again on the same data, with no other in
    between, goes on with the same task: the penalty is that of the tasks before, and Ω_n is
    measured anew in place of the old one. In online streams whose boundaries are accessible, a
    task is the experience that was split; Ω_n is measured once, at its end and on all of its data.
    Where the boundaries are not accessible, every piece counts as a task.

    What is held: every parameter that requires a gradient, except those that match `exclude` and
    the heads of other tasks: a head `classifiers.<t>` of a `MultiHeadClassifier` takes part only
    while experiences with the task label t are trained. So a head that all tasks share is held,
    as is the old part of a classifier that grows; units that are masked out or padded take no
    part. Per-task parts of models of your own need an `exclude` pattern.

    With `penalty="gradient"` the penalty's gradient is added to `p.grad` after the backward pass,
    at about the cost of reading the memory once; `strategy.loss` is then without the penalty. A
    plugin that clips gradients in `after_backward` must come after this one in the strategy's
    list, or else the penalty's share is not clipped. With `penalty="loss"` (for loops with a
    gradient scaler) it is added to `strategy.loss` before the backward pass, many times slower.
    The gradients are the same.

    Args:
        lambda_reg: The strength λ.
        alpha: None: Ω is summed over tasks (the paper); otherwise the blend α Ω + (1 − α) Ω_n.
        verbose: Whether to show a progress bar while importance is measured.
        exclude: Patterns (as of `fnmatch`) of names of parameters to leave out.
        batch_size: Samples per batch for measuring; None: the strategy's `train_mb_size`.
        num_workers: Worker processes for loading the data to measure on.
        penalty: "gradient" or "loss".

    Attributes:
        importance_seconds: How long the last measurement took; NaN before the first.

    Raises:
        ValueError: A value is out of its range.
    """

    def __init__(
        self,
        lambda_reg: float = 1.0,
        alpha: float | None = None,
        verbose: bool = False,
        *,
        exclude: str | Iterable[str] = (),
        batch_size: int | None = None,
        num_workers: int = 0,
        penalty: Literal["gradient", "loss"] = "gradient",
    ) -> None:
        super().__init__()
        if penalty not in ("gradient", "loss"):
            raise ValueError(f'penalty must be "gradient" or "loss", got {penalty!r}')
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be positive or None, got {batch_size}")
        if num_workers < 0:
            raise ValueError(f"num_workers must not be negative, got {num_workers}")
        self.verbose = verbose
        self.exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.penalty = penalty
        self.importance_seconds = float("nan")
        self._held = QuadraticPenalty(lambda_reg, alpha)  # of the tasks before the current one
        self._learned: QuadraticPenalty | None = None  # with the current one, once it is learned
        self._estimate: Importance | None = None  # Ω_n of the current one, once it is learned
        self._data: weakref.ref[AvalancheDataset] | None = None  # of the current task
        self._task_labels: tuple[int, ...] | None = None
        self._pieces = 0  # of an online task, seen so far
        self._left_out: frozenset[str] = frozenset()

    @property
    def lambda_reg(self) -> float:
        """The strength λ."""
        return self._held.lambda_reg

    @property
    def alpha(self) -> float | None:
        """The weight of earlier tasks in a running blend; None where Ω is summed."""
        return self._held.alpha

    @property
    def importance(self) -> Mapping[str, Tensor]:
        """Ω by parameter name, accumulated over the tasks learned so far; read-only."""
        return (self._learned or self._held).importance

    @property
    def anchors(self) -> Mapping[str, Tensor]:
        """θ* by parameter name: the parameters at the end of the last task; read-only."""
        return (self._learned or self._held).anchors

    def before_training_exp(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Begins a task, or goes on with it.

        Raises:
            ValueError: The model has no parameter to hold, or a pattern of `exclude` matches none.
            TypeError: The strategy is a meta-learning one, which has no backward callbacks.
        """
        if isinstance(strategy, MetaUpdate):
            raise TypeError(
                f"{type(strategy).__name__} calls no plugin around its backward passes, so the "
                "penalty would have no effect; use a strategy built on SupervisedTemplate"
            )
        experience, data = strategy.experience, task_data(strategy.experience)
        task_labels = task_labels_of(experience)
        self._left_out = names_left_out(strategy.model, self.exclude, task_labels)
        self._task_labels = task_labels
        if self._data is None or self._data() is not data:
            self._begin_task(data)
        self._pieces = 1 if starts_task(experience) else self._pieces + 1

    def before_backward(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Adds the penalty to the loss, with `penalty="loss"`."""
        if self.penalty == "loss" and self._held.importance:
            strategy.loss = strategy.loss + self._held.value(strategy.model, self._left_out)

    def after_backward(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Adds the penalty's gradient to the gradients, with `penalty="gradient"`."""
        if self.penalty == "gradient":
            self._held.add_gradient(strategy.model, self._left_out)

    def after_training_exp(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Measures the importance of a task at its end.

        Raises:
            ValueError: The data is empty, or the output, Ω or θ is not finite; Ω and θ* are then
                as they were.
        """
        if ends_task(strategy.experience, self._pieces):
            self._measure(strategy, task_data(strategy.experience), start=None)

    def update_importance(self, strategy: SupervisedTemplate, data: Data) -> None:
        """Refines the importance of the task just learned with more data, labels not needed.

        Ω_n ← (N Ω_n + Σ_m |g|) / (N + M): exactly what one measurement on all of the data would
        have given. Possible after a task, until training on the next one begins.

        Args:
            strategy: The strategy that has learned the task.
            data: A `Dataset`, loaded as after a task (an `AvalancheDataset` with its eval
                transforms), or an iterable of batches such as a `DataLoader`. A batch is an input
                tensor, or a tuple or list that begins with one. A multi-task model gets the task
                labels of an `AvalancheDataset` that has them, else the label of the task just
                learned.

        Raises:
            RuntimeError: No task has been learned yet, or the next one has begun.
            TypeError: `data` is a single tensor.
            ValueError: As for `after_training_exp`.
        """
        if self._estimate is None:
            raise RuntimeError(
                "there is no estimate to refine: update_importance is for the time between the "
                "end of a task's training and the beginning of the next"
            )
        if isinstance(data, Tensor):
            raise TypeError("data is a single tensor; pass an iterable of batches, such as [x]")
        parameters = dict(strategy.model.named_parameters())
        start = {n: grown(n, omega, parameters[n]) for n, omega in self._estimate.items()}
        self._measure(strategy, data, start=Importance(start, self._estimate.samples))

    def state_dict(self) -> dict[str, Any]:
        """Everything that training goes on from, as tensors, dictionaries and numbers.

        Options (λ and α among them) are not in it. The tensors are not copies.
        """
        estimate = self._estimate
        return {
            "held": self._held.state_dict(),
            "learned": None if self._learned is None else self._learned.state_dict(),
            "estimate": None if estimate is None else dict(estimate),
            "samples": 0 if estimate is None else estimate.samples,
            "task_labels": self._task_labels,
            "pieces": self._pieces,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict`; the next experience to be trained counts as a new task.

        Exception: the pieces of an online task that was being trained are continued.

        Raises:
            ValueError: It is not from `state_dict`, or its tensors do not fit together; the
                plugin is as it was then.
        """
        expected = self.state_dict().keys()
        if set(state) != expected:
            raise ValueError(f"expected the entries {sorted(expected)}, found {sorted(state)}")
        held = copy.copy(self._held)
        held.load_state_dict(state["held"])
        learned = None
        if state["learned"] is not None:
            learned = copy.copy(self._held)
            learned.load_state_dict(state["learned"])
        estimate = state["estimate"]
        self._estimate = None if estimate is None else Importance(estimate, state["samples"])
        self._held, self._learned, self._data = held, learned, None
        self._task_labels, self._pieces = state["task_labels"], state["pieces"]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_data": None}  # a weak reference can not be pickled

    def _begin_task(self, data: AvalancheDataset) -> None:
        self._data = weakref.ref(data)
        if self._learned is not None:
            self._held, self._learned, self._estimate = self._learned, None, None

    def _measure(self, strategy: SupervisedTemplate, data: Data, start: Importance | None) -> None:
        """Measures Ω_n, or goes on with it, and consolidates it with the tasks before."""
        model, began = strategy.model, time.perf_counter()
        trainable = [name for name, p in model.named_parameters() if p.requires_grad]
        estimate = global_importance(
            model,
            batches_of(data, self.batch_size or strategy.train_mb_size, self.num_workers),
            start=start,
            forward=Forward(data, strategy.device, self._task_labels),
            parameters=start or [name for name in trainable if name not in self._left_out],
            progress=self.verbose,
        )
        learned = copy.copy(self._held)  # shares its tensors, which are never written to
        learned.consolidate(model, estimate)
        self._learned, self._estimate = learned, estimate
        self.importance_seconds = time.perf_counter() - began
