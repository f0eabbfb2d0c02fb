"""The new task's validation data while it is trained: when to stop, and which weights to keep."""

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
    """Stops a task's training when its validation accuracy stops growing; keeps the best weights.

    After each epoch the accuracy on the validation data of what is trained on is measured, of
    several tasks (joint training) the mean over them; no other task's data are looked at, and no
    random number is drawn. It has to come before plugins that use the weights of the trained task.
    Every accuracy, and at the end how many epochs led to the weights that are kept, is handed to
    the loggers.

    Args:
        patience: After how many epochs without gain training stops.

    Attributes:
        accuracies: After each epoch of the task that is or was last trained.
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
        self.accuracies.clear()  # in place: others look at it too
        for experience in _validation(strategy):
            if not len(experience.dataset):
                raise ValueError(
                    "early stopping needs validation data, and task "
                    f"{experience.current_experience} has none; leave out --patience, and choose "
                    "another --schedule than plateau"
                )

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Measure the accuracy, keep the weights if they are the best so far, stop if it is time."""
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
        """Put the best weights back, running statistics included."""
        strategy.model.load_state_dict(self._best)
        self._best = {}
        _publish(strategy, self, "Epochs_Kept", best_epoch(self.accuracies) + 1)


def _validation(strategy: Any) -> list[Any]:
    """Return the validation experiences of what is trained on."""
    trained = getattr(
        strategy, "_experiences", [strategy.experience]
    )  # joint training: all at once
    streams = strategy.experience.origin_stream.benchmark.streams
    return [streams["valid"][experience.current_experience] for experience in trained]


def _publish(strategy: Any, plugin: SupervisedPlugin, name: str, value: float) -> None:
    task = strategy.experience.current_experience
    label = f"{name}/train_phase/valid_stream/Exp{task:03d}"
    metric = MetricValue(plugin, label, value, strategy.clock.train_iterations)
    strategy.evaluator.publish_metric_value(metric)


@torch.no_grad()
def accuracy_on(strategy: Any, dataset: Any) -> float:
    """Return the share of a data set that the strategy's model tells right.

    With eval transforms, the model in eval mode; modes, the current batch and the random states are
    as before afterwards.
    """
    kept, right = strategy.mbatch, 0
    with untouched_randomness([strategy.device]), evaluation(strategy.model, ()):
        for batch in batches_of(dataset, strategy.eval_mb_size, num_workers=0):
            strategy.mbatch = batch
            strategy._unpack_minibatch()
            right += int((strategy.forward().argmax(dim=1) == strategy.mb_y).sum())
    strategy.mbatch = kept
    return right / len(dataset)
