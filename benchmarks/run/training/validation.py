"""Early stopping on the validation data of the task being trained."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from avalanche.evaluation.metric_results import MetricValue
from torch import Tensor

from avalanche_mas.importance import evaluation, untouched_randomness
from avalanche_mas.plugins import batches_of
from benchmarks.run.training.schedules import best_epoch, epochs_without_gain


class EarlyStopping(SupervisedPlugin):
    """A plugin that stops training when validation accuracy stops growing; it keeps the best weights.

    After each epoch it measures the accuracy on the validation data of the task being trained (in
    joint training, the mean over all tasks). It uses no other data and draws no random numbers. It
    must come before plugins that use a task's final weights. It logs each accuracy and, at the end,
    the epochs that led to the weights kept.

    `accuracies` are those of the current or last task.
    """

    def __init__(self, patience: int) -> None:
        super().__init__()
        self.patience = patience
        self.accuracies: list[float] = []
        self._best: dict[str, Tensor] = {}

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Begin a task.

        Raises:
            ValueError: There are no validation data.
        """
        self.accuracies.clear()  # in place: LearningRate reads it too
        for experience in _validation(strategy):
            if not len(experience.dataset):
                raise ValueError(
                    "early stopping needs validation data, and task "
                    f"{experience.current_experience} has none; leave out --patience, and choose "
                    "another --schedule than plateau"
                )

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Measure the accuracy; keep the weights if they are the best so far, or stop if it is time."""
        found = [accuracy_on(strategy, e.dataset) for e in _validation(strategy)]
        self.accuracies.append(sum(found) / len(found))
        _publish(strategy, self, "Valid_Acc_Epoch", self.accuracies[-1])
        idle = epochs_without_gain(self.accuracies)[-1]
        if idle == 0:
            state = strategy.model.state_dict()
            self._best = {name: value.detach().clone() for name, value in state.items()}
        if idle >= self.patience:
            strategy.stop_training()

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Restore the best weights, including running statistics."""
        strategy.model.load_state_dict(self._best)
        self._best = {}
        _publish(strategy, self, "Epochs_Kept", best_epoch(self.accuracies) + 1)


def _validation(strategy: Any) -> list[Any]:
    """Return the validation experiences of the tasks being trained."""
    # joint training has all experiences
    trained = getattr(strategy, "_experiences", [strategy.experience])
    streams = strategy.experience.origin_stream.benchmark.streams
    return [streams["valid"][experience.current_experience] for experience in trained]


def _publish(strategy: Any, plugin: SupervisedPlugin, name: str, value: float) -> None:
    task = strategy.experience.current_experience
    label = f"{name}/train_phase/valid_stream/Exp{task:03d}"
    metric = MetricValue(plugin, label, value, strategy.clock.train_iterations)
    strategy.evaluator.publish_metric_value(metric)


@torch.no_grad()
def accuracy_on(strategy: Any, dataset: Any) -> float:
    """Return the strategy's accuracy on a data set, with eval transforms and in eval mode.

    Modes, the current batch and the random states are unchanged afterwards.
    """
    kept, right = strategy.mbatch, 0
    with untouched_randomness([strategy.device]), evaluation(strategy.model, ()):
        for batch in batches_of(dataset, strategy.eval_mb_size, num_workers=0):
            strategy.mbatch = batch
            strategy._unpack_minibatch()
            right += int((strategy.forward().argmax(dim=1) == strategy.mb_y).sum())
    strategy.mbatch = kept
    return right / len(dataset)
