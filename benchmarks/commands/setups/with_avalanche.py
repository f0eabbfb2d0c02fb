"""The same set-ups in Avalanche, with this project's plugin and Avalanche's own beside it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from avalanche.benchmarks import split_online_stream
from avalanche.evaluation.metrics import loss_metrics
from avalanche.training import plugins as theirs
from avalanche.training.supervised import JointTraining
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import StepLR

from avalanche_mas.plugins import MASPlugin
from benchmarks.commands.setups.catalogue import Case
from benchmarks.commands.setups.hand import Batch, Loop, Mas
from benchmarks.commands.setups.parts import Decay, Distil, Ewc, Project, Replay, Stop
from benchmarks.commands.tensors import stream_of_tensors

ALL = 1000
"""More samples than there are."""

HOOKS = {
    "before_training_exp": "begin_task",
    "after_backward": "after_backward",
    "after_update": "after_step",
    "after_training_exp": "end_task",
}
"""The methods of a part by the callback of Avalanche that does the same."""


class Own(theirs.SupervisedPlugin):
    """A plugin of a user's own, which does what a part of the loop by hand does."""

    def __init__(self, part: Any) -> None:
        super().__init__()
        for callback, hook in HOOKS.items():
            if hasattr(part, hook):
                setattr(self, callback, lambda run, hook=hook, **_: getattr(part, hook)(run))


def plugin_of(part: Any, optimizer: Optimizer) -> theirs.SupervisedPlugin:
    """Return the plugin that does what a part does: ours, Avalanche's, or a user's own."""
    match part:
        case Mas():
            how = "sum" if part.alpha is None else "blend"
            form: Any = part.form
            return MASPlugin(part.strength, part.alpha, accumulation=how, penalty=form)
        case Project():
            return theirs.AGEMPlugin(patterns_per_experience=ALL, sample_size=ALL)
        case Replay():
            return theirs.ReplayPlugin(mem_size=ALL, batch_size_mem=ALL)
        case Distil():
            return theirs.LwFPlugin(alpha=1.0, temperature=part.temperature)
        case Ewc():
            return theirs.EWCPlugin(part.strength)
        case Decay():
            unit, every = ("epoch", 1) if part.per_epoch else ("iteration", part.every)
            schedule = StepLR(optimizer, every, part.factor)
            return theirs.LRSchedulerPlugin(schedule, step_granularity=unit)
        case Stop():
            return theirs.EarlyStoppingPlugin(
                part.patience, "train_stream", "Loss_Stream", mode="min"
            )
    return Own(part)


def train(case: Case, loop: Loop, tasks: Sequence[Batch], piece: int) -> list[MASPlugin]:
    """Train with Avalanche instead of the loop.

    Args:
        case: The set-up.
        loop: What to train, in which way.
        tasks: The data of each task.
        piece: Samples per piece of an online stream.

    Returns:
        This project's plugins.
    """
    plugins = [plugin_of(part, loop.optimizer) for part in loop.parts]
    stops = any(isinstance(part, Stop) for part in loop.parts)
    stream = list(stream_of_tensors(tasks).train_stream)

    def train_on(experiences: Sequence[Any], kind: type) -> None:
        strategy: Any = kind(
            model=loop.model,
            optimizer=loop.optimizer,
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=loop.batch_size,
            train_epochs=loop.epochs,
            plugins=list(plugins),
            evaluator=theirs.EvaluationPlugin(loss_metrics(stream=True)) if stops else None,
            eval_every=1 if stops else -1,
        )
        strategy.train(experiences, eval_streams=[stream[0]], shuffle=False)

    with warnings.catch_warnings(record=True):  # Avalanche's replay says much of its own past
        warnings.filterwarnings("ignore", "No loggers specified")
        warnings.filterwarnings("ignore", "Metric Loss_Stream used by the EarlyStopping")
        if case.stream == "joint":
            train_on(stream[:2], JointTraining)
            train_on(stream[2:], case.kind)
        elif case.stream == "tasks":
            train_on(stream, case.kind)
        else:
            known = case.stream == "online"
            split = split_online_stream(stream, piece, False, access_task_boundaries=known)
            train_on([each.train() for each in split], case.kind)
    return [plugin for plugin in plugins if isinstance(plugin, MASPlugin)]
