"""The moment before an optimizer's step, however the strategy takes it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from avalanche_mas.plugins.running import in_train


class Steps:
    """A hook before each step of an optimizer, when the gradients are those that it will use.

    With gradient accumulation that is once per step and not once per backward pass. With a
    `GradScaler` the gradients are unscaled by then, and a step that the scaler skips does not
    count. A step that is given a closure uses the gradients that the closure leaves, each time that
    it is called (LBFGS does so several times).

    Only steps within the strategy's `train` count: training that was broken off leaves the hook
    behind, and the optimizer may go on without the strategy.

    Args:
        action: called with the strategy and the optimizer.
        closures: whether to call it after each call of a step's closure, if it has one, and not
            before the step.

    Attributes:
        taken: how often it has been called since the optimizer was last attached.
    """

    def __init__(self, action: Callable[[Any, Optimizer], None], closures: bool = True) -> None:
        self.action, self.closures = action, closures
        self.taken = 0
        self._optimizer: Optimizer | None = None
        self._strategy: weakref.ref[Any] | None = None
        self._handle: RemovableHandle | None = None

    def attach(self, optimizer: Optimizer, strategy: Any) -> None:
        """Act before each step from now on; do nothing if it is attached already.

        Args:
            optimizer: the optimizer.
            strategy: the object whose method `train` takes the steps.

        Raises:
            TypeError: not a torch optimizer, so its steps cannot be hooked.
        """
        if self._handle and optimizer is self._optimizer and strategy is self._trained():
            return
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(optimizer).__name__} is not a torch.optim.Optimizer, so its steps cannot "
                'be followed; use penalty="loss"'
            )
        self.detach()
        reference = weakref.ref(self)  # the optimizer may outlive the plugin

        def before_step(optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
            steps = reference()
            return steps and steps._before_step(optimizer, args, kwargs)

        self._handle = optimizer.register_step_pre_hook(before_step)
        self._optimizer, self._strategy, self.taken = optimizer, weakref.ref(strategy), 0

    def detach(self) -> None:
        """Remove the hook from the optimizer."""
        if self._handle is not None:
            self._handle.remove()
        self._handle = self._optimizer = self._strategy = None

    def _trained(self) -> Any:
        return self._strategy and self._strategy()

    def _before_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        strategy = self._trained()
        if strategy is None or all(one is not strategy for one in in_train()):
            return None
        if _left_out(optimizer):
            return None
        _unscale(optimizer)

        def act() -> None:
            self.taken += 1
            self.action(strategy, optimizer)

        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not (self.closures and callable(closure)):
            act()
            return None
        followed = _followed(closure, act)
        if "closure" in kwargs:
            return args, {**kwargs, "closure": followed}
        return (args[0], followed, *args[2:]), kwargs

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_optimizer": None, "_strategy": None, "_handle": None}


def _followed(closure: Callable[[], Any], action: Callable[[], None]) -> Callable[[], Any]:
    """Return the closure, followed by the action."""

    def both() -> Any:
        loss = closure()
        action()
        return loss

    return both


def _left_out(optimizer: Optimizer) -> bool:
    """Return whether a fused optimizer will skip the step because the scaled gradients overflowed."""
    found = getattr(optimizer, "found_inf", None)
    return found is not None and bool(found)


def _unscale(optimizer: Optimizer) -> None:
    """Divide the gradients by the scale, which a fused optimizer would do inside its step."""
    scale = getattr(optimizer, "grad_scale", None)
    if scale is None:
        return
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
    for gradient in gradients:
        if gradient is not None:
            gradient.mul_(scale.to(gradient.device).reciprocal())
    optimizer.grad_scale = torch.ones_like(scale)  # type: ignore[attr-defined]
