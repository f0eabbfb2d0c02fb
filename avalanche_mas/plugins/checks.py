"""Checks of the strategy that a plugin works in."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from avalanche.training.templates import SupervisedTemplate
from avalanche.training.templates.update_type.meta_update import MetaUpdate
from torch import nn
from torch.optim import LBFGS, SparseAdam

from avalanche_mas.importance.passes.alike import refuse_different
from avalanche_mas.penalty import QuadraticPenalty
from avalanche_mas.plugins.memory import Memory
from avalanche_mas.plugins.tasks import names_excluded
from avalanche_mas.processes import Group


def check_strategy(strategy: SupervisedTemplate, penalty: str) -> None:
    """Refuse a strategy in which the penalty would have no effect, or a wrong one.

    Args:
        strategy: the strategy.
        penalty: how the penalty is applied.

    Raises:
        TypeError: the strategy calls no plugin around a backward pass.
        ValueError: the optimizer cannot take the penalty.
    """
    name, optimizer = type(strategy).__name__, getattr(strategy, "optimizer", None)
    if isinstance(strategy, MetaUpdate) or optimizer is None:
        raise TypeError(
            f"{name} calls no plugin around its backward passes, so the penalty would have no "
            "effect; use a strategy built on SupervisedTemplate that steps along a gradient"
        )
    if isinstance(optimizer, SparseAdam):
        raise ValueError(
            "SparseAdam takes sparse gradients only, and the penalty's gradient is dense; use "
            "another optimizer, such as SGD or Adam, which take both"
        )
    groups = getattr(optimizer, "param_groups", [])
    if penalty == "damped" and any(group.get("lr") is None for group in groups):
        raise ValueError(
            f"{type(optimizer).__name__} has no learning rate in its groups (lr is None), by which "
            'the penalty is damped; give it one, or pass penalty="gradient"'
        )
    searches = isinstance(optimizer, LBFGS) and optimizer.param_groups[0]["line_search_fn"]
    if searches and penalty != "loss":
        raise ValueError(
            f"a line search compares values of the loss, and with penalty={penalty!r} the penalty "
            "is in the gradient only; pass penalty='loss', and let the closure of the step call "
            "strategy._before_backward(), so that every value has the penalty in it"
        )


def check_processes(group: Group, strategy: SupervisedTemplate, penalty: QuadraticPenalty) -> None:
    """Refuse to train in several processes that differ in what they must have in common.

    Args:
        group: the processes.
        strategy: the strategy.
        penalty: Ω and θ* of the tasks so far.

    Raises:
        ValueError: the model, λ, Ω, θ* or the metrics, which exchange what they count, differ.
    """
    if group is None:
        return
    metrics = [type(metric).__name__ for metric in strategy.evaluator.metrics]
    more = {"the list of metrics": metrics, "lambda_reg": penalty.lambda_reg}
    held = {"Ω of": penalty.importance, "θ* of": penalty.anchors}
    refuse_different(group, strategy.model, more, **held)


def compare_with_anchors(
    model: nn.Module, memory: Memory, exclude: str | Iterable[str], on_change: str
) -> None:
    """Report parameters that are not where the last task ended, or take them as θ*.

    Args:
        model: the model.
        memory: has θ*.
        exclude: patterns of names that do not count.
        on_change: "warn", "raise" or "anchor".

    Raises:
        ValueError: with "raise".
    """
    excluded = names_excluded(model, exclude, memory.names)
    changed = [name for name in memory.changed(model) if name not in excluded]
    if changed and on_change == "anchor":
        memory.anchor(model, excluded)
    if not changed or on_change == "anchor":
        return
    names = ", ".join(map(repr, changed[:4])) + (", ..." if len(changed) > 4 else "")
    message = (
        f"{len(changed)} parameters have been changed since the last task ended: {names}. The "
        f"penalty draws them back to what they were then. For a layer that was replaced, pass "
        f"exclude={names.split(', ')[0]} or a pattern; for weights that were meant to change "
        f"(averaged, or loaded), on_change='anchor' takes them as they are now as θ*; for another "
        "network or a run from the start, make a new plugin"
    )
    if on_change == "raise":
        raise ValueError(message)
    warnings.warn(message, stacklevel=2)
