"""*When* importance is measured and the penalty is applied, whatever importance is."""

from __future__ import annotations

import time
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Any

from avalanche.benchmarks import CLScenario
from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.templates import SupervisedTemplate
from avalanche.training.templates.update_type.meta_update import MetaUpdate
from torch import Tensor
from typing_extensions import deprecated

from avalanche_mas.importance import Importance, Measure
from avalanche_mas.importance.result.checks import check_option
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.plugins.applied import FORMS, AppliedPenalty, Form
from avalanche_mas.plugins.memory import Memory
from avalanche_mas.plugins.peak import peak_bytes
from avalanche_mas.plugins.tasks import (
    IMPORTANCE_ON,
    Data,
    Output,
    TaskOutput,
    batches_of,
    ends_task,
    importance_data,
    names_left_out,
    starts_task,
    task_data,
    task_labels_in,
    task_labels_of,
)


@dataclass(eq=False, repr=False)
class PluginOptions:
    """What every plugin is told; `MASPlugin` describes each option."""

    lambda_reg: InitVar[float] = 1.0
    alpha: InitVar[float | None] = None
    verbose: bool = False
    _: KW_ONLY
    accumulation: InitVar[str | None] = None
    importance_on: str = "train"
    benchmark: CLScenario | None = None
    forward: Output | None = None
    exclude: str | Iterable[str] = ()
    batch_size: int | None = None
    num_workers: int = 0
    penalty: Form = "damped"

    def __post_init__(
        self,
        lambda_reg: float,
        alpha: float | None,
        accumulation: str | None,
    ) -> None:
        check_option("penalty", self.penalty, FORMS)
        check_option("importance_on", self.importance_on, IMPORTANCE_ON)
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be positive or None, got {self.batch_size}")
        if self.num_workers < 0:
            raise ValueError(f"num_workers must not be negative, got {self.num_workers}")
        self.exclude = (self.exclude,) if isinstance(self.exclude, str) else tuple(self.exclude)


class ImportancePlugin(PluginOptions, SupervisedPlugin):
    """All of `MASPlugin` but what importance is, which its subclasses say.

    The arguments, attributes and errors are described there.
    """

    def __post_init__(
        self, lambda_reg: float, alpha: float | None, accumulation: str | None
    ) -> None:
        SupervisedPlugin.__init__(self)
        super().__post_init__(lambda_reg, alpha, accumulation)
        self.importance_seconds = self.importance_bytes = float("nan")
        self._memory = Memory(QuadraticPenalty(lambda_reg, alpha, accumulation))
        self._applied = AppliedPenalty(self.penalty)
        self._data: weakref.ref[AvalancheDataset] | None = None  # of the task
        self._task_labels: tuple[int, ...] | None = None
        self._pieces = 0  # begun of the task that is being trained; 0 between tasks
        self.left_out: frozenset[str] = frozenset()  # names not held in the task being trained
        self._tried = False

    def __repr__(self) -> str:
        estimate = self._memory.estimate
        samples = 0 if estimate is None else estimate.samples
        penalty = self._memory.latest.description()
        return f"{type(self).__name__}({penalty}, samples={samples})"

    @property
    @abstractmethod
    def measure(self) -> Measure:
        """What is measured, as in `Importance.measure`."""

    @property
    @deprecated("kind is now measure, which has fields")
    def kind(self) -> str:
        """The measure as a string."""
        return str(self.measure)

    @property
    @abstractmethod
    def _estimator(self) -> Callable[..., Importance]:
        """What measures it, called as `global_importance` is."""

    @property
    def lambda_reg(self) -> float:
        """The strength λ; it may be set, to another one for the steps to come."""
        return self._memory.held.lambda_reg

    @lambda_reg.setter
    def lambda_reg(self, value: float) -> None:
        self._memory.set_strength(value)

    @property
    def alpha(self) -> float | None:
        """The share of the tasks before in a running blend; None where there is no blend."""
        return self._memory.held.alpha

    @property
    def accumulation(self) -> str:
        """How the importances of the tasks are put together."""
        return self._memory.held.accumulation

    @property
    def importance(self) -> Mapping[str, Tensor]:
        """Ω by parameter name, accumulated over the tasks learned so far; read-only."""
        return self._memory.latest.importance

    @property
    def anchors(self) -> Mapping[str, Tensor]:
        """θ* by parameter name: the parameters at the end of the last task; read-only."""
        return self._memory.latest.anchors

    @property
    def quadratic_penalty(self) -> QuadraticPenalty:
        """The penalty that is applied: of the tasks before the one that is trained, or was last."""
        return self._memory.held

    @property
    @deprecated("held is now quadratic_penalty")
    def held(self) -> QuadraticPenalty:
        """The penalty that is applied."""
        return self._memory.held

    @property
    def between_tasks(self) -> bool:
        """Whether no task is being trained, so that Ω and θ* are of all that were."""
        return not self._pieces

    def before_training_exp(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Begins a task, or goes on with it.

        The first time, importance is measured on one sample and the result dropped: what can not
        be measured is refused before it is trained.

        Raises:
            ValueError: The model has no parameter to hold, a pattern of `exclude` matches none,
                there are no data of the kind that importance is to be measured on, or it can not
                be measured.
            TypeError: The strategy is a meta-learning one, which has no backward callbacks, or the
                output is not a tensor.
        """
        if isinstance(strategy, MetaUpdate):
            raise TypeError(
                f"{type(strategy).__name__} calls no plugin around its backward passes, so the "
                "penalty would have no effect; use a strategy built on SupervisedTemplate"
            )
        experience, data = strategy.experience, task_data(strategy.experience)
        parts = importance_data(experience, self.importance_on, self.benchmark)
        task_labels = task_labels_of(experience)
        left_out = names_left_out(strategy.model, self.exclude, task_labels)
        if not self._tried:
            self._estimated(strategy, [part.subset([0]) for part in parts], task_labels)
            self._tried = True
        self.left_out, self._task_labels = left_out, task_labels
        if self._data is None or self._data() is not data:
            self._data = weakref.ref(data)
            self._memory.begin_task()
        self._pieces = 1 if starts_task(experience) else self._pieces + 1
        self._applied.begin_task(strategy, self._memory.held, left_out)

    def before_training_iteration(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Follow the strategy's optimizer, which may be another one than before."""
        self._applied.follow(strategy, self._memory.held, self.left_out)

    def before_backward(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Add the penalty to the loss, with `penalty="loss"`."""
        self._applied.add_to_loss(strategy)

    def after_training_epoch(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Warn where the penalty had no effect."""
        self._applied.end_epoch(strategy)

    def after_training_exp(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Measures the importance of a task at its end.

        Raises:
            ValueError: The data is empty, or the output, Ω or θ is not finite; Ω and θ* are then
                as they were. `update_importance` can make up for the measurement.
        """
        self._applied.end_task()
        if ends_task(strategy.experience, self._pieces):
            self._pieces = 0
            parts = importance_data(strategy.experience, self.importance_on, self.benchmark)
            self._learn(strategy, parts, self._task_labels, None)

    def update_importance(self, strategy: SupervisedTemplate, data: Data) -> None:
        """Measures or refines importance on more data, labels not needed.

        After a task, Ω_n is refined: Ω_n ← (N Ω_n + Σ_m |g|) / (N + M), exactly what one
        measurement on all of the data would have given; as often as there are data, until
        training on the next one begins. Before the first task (of a pretrained model), the first
        call measures Ω_n on the data and makes the present parameters θ*, further ones refine it,
        and all later tasks are trained with the penalty: it counts as a task of its own.

        Args:
            strategy: The strategy that has learned the task.
            data: A `Dataset`, loaded as after a task (an `AvalancheDataset` with its eval
                transforms), or an iterable of batches such as a `DataLoader`. A batch is an input
                tensor, or a tuple or list that begins with one. A multi-task model gets the task
                labels of an `AvalancheDataset` that has them, else the label of the task just
                learned.

        Raises:
            RuntimeError: A task is being trained.
            TypeError: `data` is a single tensor.
            ValueError: As for `after_training_exp`, or the parameters have been changed since
                Ω_n was measured.
        """
        if self._pieces:
            raise RuntimeError(
                "update_importance was called while a task is being trained, when θ* is not known "
                "yet; call it before the first task, or after a task and before the next one: in "
                "after_training_exp of a plugin that comes after this one, or when train() has "
                "returned"
            )
        if isinstance(data, Tensor):
            raise TypeError("data is a single tensor; pass an iterable of batches, such as [x]")
        task_labels = self._task_labels or task_labels_in(data)
        model = strategy.model.to(strategy.device)  # train() has not done that yet
        self._learn(strategy, [data], task_labels, self._memory.estimate_for(model))

    def state_dict(self) -> dict[str, Any]:
        """Everything that training goes on from, as tensors, dictionaries and numbers.

        Options (λ and α among them) are not in it, apart from what is measured ("kind") and how
        it is accumulated, for which it is only valid. The tensors are not copies.
        """
        return {
            "kind": str(self.measure),
            "task_labels": self._task_labels,
            "pieces": self._pieces,
            **self._memory.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict`; the next experience to be trained counts as a new task.

        Exception: the pieces of an online task that was being trained are continued.

        Raises:
            ValueError: It is not from `state_dict`, is of another kind or accumulation, or its
                tensors do not fit together; the plugin is as it was then.
        """
        expected = self.state_dict().keys()
        if set(state) != expected:
            raise ValueError(f"expected the entries {sorted(expected)}, found {sorted(state)}")
        if state["kind"] != str(self.measure):
            raise ValueError(
                f"the importance of this state is of kind {state['kind']!r}, and this plugin "
                f"measures {str(self.measure)!r}; their scales differ, so they can not be put together"
            )
        self._memory.load_state_dict(state, self.measure)
        self._data = None
        self._task_labels, self._pieces = state["task_labels"], state["pieces"]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_data": None}  # a weak reference can not be pickled

    def _learn(
        self,
        strategy: SupervisedTemplate,
        parts: Sequence[Data],
        task_labels: tuple[int, ...] | None,
        start: Importance | None,
    ) -> None:
        """Measures Ω_n, or goes on with it, and consolidates it with the tasks before."""
        began, peak = time.perf_counter(), peak_bytes(strategy.device)
        estimate = self._estimated(strategy, parts, task_labels, start, progress=self.verbose)
        self._memory.learn(strategy.model, estimate)
        self.importance_seconds = time.perf_counter() - began
        self.importance_bytes = peak_bytes(strategy.device) - peak

    def _estimated(
        self,
        strategy: SupervisedTemplate,
        parts: Sequence[Data],
        task_labels: tuple[int, ...] | None,
        start: Importance | None = None,
        progress: bool = False,
    ) -> Importance:
        """Ω_n on all parts of the data, and on what `start` was measured on."""
        model, estimate = strategy.model, start
        left_out = names_left_out(model, self.exclude, task_labels)
        trainable = [name for name, p in model.named_parameters() if p.requires_grad]
        names = start or [name for name in trainable if name not in left_out]
        for data in parts:
            estimate = self._estimator(
                model,
                batches_of(data, self.batch_size or strategy.train_mb_size, self.num_workers),
                start=estimate,
                forward=TaskOutput(data, strategy.device, task_labels, self.forward),
                parameters=names,
                progress=progress,
            )
        assert estimate is not None  # there is at least one part
        return estimate
