"""The base of the plugins: *when* importance is measured and the penalty applied."""

from __future__ import annotations

import time
import weakref
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from avalanche.benchmarks.utils import AvalancheDataset
from avalanche.training.plugins import SupervisedPlugin
from avalanche.training.templates import SupervisedTemplate
from torch.utils.data import Dataset
from typing_extensions import deprecated

from avalanche_mas.importance import Importance, Measure
from avalanche_mas.importance.passes.given import check_batches
from avalanche_mas.names import unwrapped
from avalanche_mas.peak import peak_bytes
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.plugins.applied import AppliedPenalty
from avalanche_mas.plugins.checks import (
    check_processes,
    check_strategy,
    compare_with_anchors,
)
from avalanche_mas.plugins.configuration import PluginOptions
from avalanche_mas.plugins.measuring import Ending, measured, parts_to_measure, try_to_measure
from avalanche_mas.plugins.memory import Memory
from avalanche_mas.plugins.running import is_training
from avalanche_mas.plugins.saved import Saved
from avalanche_mas.plugins.shown import Shown
from avalanche_mas.plugins.state import check_state
from avalanche_mas.plugins.tasks import (
    Data,
    Part,
    all_task_labels,
    ends_task,
    names_excluded,
    names_left_out,
    starts_task,
    task_data,
    task_labels_in,
    task_labels_of,
    trained_together,
)
from avalanche_mas.processes import group_of, raised_in_all


class ImportancePlugin(Shown, Saved, PluginOptions, SupervisedPlugin):
    """The base of `MASPlugin`, which describes it; subclasses define what importance is."""

    def __init_subclass__(cls, supports_distributed: bool = True, **options: Any) -> None:
        super().__init_subclass__(supports_distributed=supports_distributed, **options)
        if hasattr(cls, "_get_importance"):
            raise TypeError(
                f"{cls.__name__}._get_importance would never be called: that is a method of "
                "Avalanche's own MASPlugin. Pass forward= to say which output counts, or use the "
                "importances of your own with avalanche_mas.penalty.QuadraticPenalty"
            )

    def __post_init__(
        self, lambda_reg: float, alpha: float | None, accumulation: str | None
    ) -> None:
        SupervisedPlugin.__init__(self)
        super().__post_init__(lambda_reg, alpha, accumulation)
        self.importance_seconds = self.importance_bytes = float("nan")
        penalty = QuadraticPenalty(lambda_reg, alpha, accumulation, self.importance_dtype)
        self._memory = Memory(penalty)
        self._applied = AppliedPenalty(self.penalty)
        self._data: tuple[weakref.ref[AvalancheDataset], ...] = ()  # of the task
        self._task_labels: tuple[int, ...] | None = None
        self._pieces = 0  # learned of the task that is being trained; 0 between tasks
        self._under_way = False  # whether an experience has been begun, and not learned yet
        self._ending: Ending | None = None  # of the last task, while other plugins follow
        self.left_out: frozenset[str] = frozenset()  # names not held in the task being trained
        self._tried = False
        self._begins = False  # whether the weights must still be what the last task ended with

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
    def between_tasks(self) -> bool:
        """Whether no task is being trained, so that Ω and θ* are of all that were."""
        return not (self._pieces or self._under_way)

    def before_training(self, *_: Any, **__: Any) -> None:
        """Discard the last measurement; later weight changes do not come from end-of-task plugins."""
        self._ending = None

    def before_train_dataset_adaptation(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Finish the task before."""
        self.catch_up(strategy)
        self._ending = None

    def before_training_exp(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Begin a task, or continue it.

        The first time, importance is tried on two samples, so that what cannot be measured is refused.

        Raises:
            ValueError: the model has no parameter to hold, a pattern of `exclude` matches none, the
                data to measure importance on are missing, importance cannot be measured, or the
                optimizer cannot take the penalty.
            TypeError: the strategy calls no plugin around its backward passes (meta-learning), or
                the output is not a tensor.
        """
        group = group_of(strategy.model)
        with raised_in_all(group):
            check_strategy(strategy, self.penalty)
            together = trained_together(strategy)
            parts = parts_to_measure(self, together)
            task_labels = all_task_labels(map(task_labels_of, together))
            model = unwrapped(strategy.model)
            left_out = names_left_out(model, self.exclude, task_labels, self._memory.names)
            if not self._tried:
                try_to_measure(self, strategy, parts)
        check_processes(group, strategy, self._memory.latest)
        self._tried, self._begins = True, self._memory.learned is not None
        self.left_out, self._task_labels = left_out, task_labels
        datasets = list(map(task_data, together))
        if [id(known()) for known in self._data] != list(map(id, datasets)):
            self._data = tuple(map(weakref.ref, datasets))
            self._memory.begin_task()
        if starts_task(together[0]):
            self._pieces = 0
        self._under_way = True
        self._applied.begin_task(strategy, self._memory.held, left_out)

    def before_training_iteration(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Hook the strategy's optimizer, which may have been replaced."""
        self._applied.follow(strategy, self._memory.held, self.left_out)

    def before_training_epoch(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Compare the weights with θ* before the first step of a task; see `on_change`.

        Raises:
            ValueError: with `on_change="raise"`, a parameter has been changed since the last task.
        """
        if self._begins:
            self._begins = False
            model = unwrapped(strategy.model)
            compare_with_anchors(model, self._memory, self.exclude, self.on_change)

    def before_backward(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Add the penalty to the loss, with `penalty="loss"`."""
        self._applied.add_to_loss(strategy)

    def after_training_epoch(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Warn where the penalty had no effect."""
        self._applied.end_epoch(strategy)

    def after_training_exp(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Measure the importance of a task at its end.

        Raises:
            ValueError: the data is empty, or the output, Ω or θ is not finite; Ω and θ* are then
                as they were. `update_importance` can make up for the measurement.
        """
        self._applied.end_task()
        together = trained_together(strategy)
        self._pieces, self._under_way = self._pieces + 1, False
        if ends_task(together[0], self._pieces):
            self._pieces = 0
            parts = parts_to_measure(self, together)
            self._learn(strategy, parts, None)
            self._ending = Ending.of(unwrapped(strategy.model), parts)

    def after_training(self, strategy: SupervisedTemplate, **_: Any) -> None:
        """Finish the last task."""
        self.catch_up(strategy)
        self._ending = None

    def catch_up(self, strategy: SupervisedTemplate) -> None:
        """Measure again if a later plugin changed the model at the end of the task.

        Examples are weight averaging, restoring the best weights, and adapting running statistics.
        It is called after all plugins have run, and does nothing between tasks.

        Raises:
            ValueError: as for `after_training_exp`.
        """
        if self._ending is None or self._ending.holds(strategy.model, self._memory):
            return
        parts = self._ending.repeatable()
        self._learn(strategy, parts, None)
        self._ending = Ending.of(unwrapped(strategy.model), parts)

    def update_importance(self, strategy: SupervisedTemplate, data: Data) -> None:
        """Measure or refine importance on more data, labels not needed.

        After a task, Ω_n is refined: Ω_n ← (N Ω_n + Σ_m |g|) / (N + M), exactly what one measurement
        on all of the data would have given; as often as you like, until training on the next one
        begins. After interrupted training, Ω_n is measured on the data and the task ends there. Before
        the first task (of a pretrained model), the first call measures Ω_n on the data and makes the
        present parameters θ*, further ones refine it, and it counts as a task of its own.

        Args:
            strategy: the strategy that has learned the task.
            data: a `Dataset`, loaded as after a task (an `AvalancheDataset` with its eval
                transforms), or an iterable of batches such as a `DataLoader`. A batch is the
                inputs, a tensor or a mapping, or a tuple or list that begins with them. A
                multi-task model gets the task labels of an `AvalancheDataset` that has them, else
                the label of the task just learned. Of several processes, all pass the same data
                set, or each its own batches, if only an empty list.

        Raises:
            RuntimeError: a task is being trained.
            TypeError: `data` is one batch, such as a tensor, or cannot be gone through.
            ValueError: as for `after_training_exp`, or the parameters have been changed since
                Ω_n was measured.
        """
        if self._pieces or (self._under_way and is_training(self)):
            raise RuntimeError(
                "update_importance was called while a task is being trained, when θ* is not known "
                "yet; call it before the first task, or after a task and before the next one: in "
                "after_training_exp of a plugin that comes after this one, or when train() has "
                "returned"
            )
        if not isinstance(data, AvalancheDataset | Dataset):
            check_batches(data, "data")
        self.catch_up(strategy)
        part = Part(data, self._task_labels or task_labels_in(data))
        model = unwrapped(strategy.model.to(strategy.device))  # train() has not done that yet
        start = None if self._under_way else self._memory.estimate_for(model)
        if self._under_way:  # training was interrupted, and nothing has let go of its optimizer
            self._applied.end_task()
        self._learn(strategy, [part], start)
        self._under_way = False
        if self._ending is not None:
            self._ending = Ending.of(model, [*self._ending.parts, part])

    def state_dict(self) -> dict[str, Any]:
        """Return everything that training goes on from, as tensors, dictionaries and numbers.

        Options such as λ and α are not included, except what is measured ("kind") and how it is
        accumulated: the state is valid for these only. The tensors are not copies.
        """
        return {
            "kind": str(self.measure),
            "task_labels": self._task_labels,
            "pieces": self._pieces,
            **self._memory.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`; the next experience trained counts as a new task.

        An online task whose pieces were being trained is continued.

        Raises:
            ValueError: it is not from `state_dict`, is of another measure or accumulation, or its
                tensors do not fit together; the plugin is unchanged then.
        """
        check_state(state, self.measure)
        self._memory.load_state_dict(state, self.measure)
        if not is_training(self):  # within an experience, that goes on
            self._data, self._ending, self._under_way = (), None, False
            self._applied.end_task()
        labels = state["task_labels"]
        self._task_labels = None if labels is None else tuple(labels)
        self._pieces = state["pieces"]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_data": (), "_ending": None}  # no weak references, no data

    def _learn(
        self, strategy: SupervisedTemplate, parts: Sequence[Part], start: Importance | None
    ) -> None:
        """Measure Ω_n, or refine it, and consolidate it with the earlier tasks."""
        began, peak = time.perf_counter(), peak_bytes(strategy.device)
        estimate = measured(self, strategy, parts, start, progress=self.verbose)
        model = unwrapped(strategy.model)
        excluded = names_excluded(model, self.exclude, self._memory.names)
        self._memory.learn(model, estimate, excluded)
        self.importance_seconds = time.perf_counter() - began
        self.importance_bytes = peak_bytes(strategy.device) - peak
