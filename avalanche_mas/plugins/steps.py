"""The moment before an optimizer's step, whoever takes the step. Pure torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle


class Steps:
    """A hook before each step of an optimizer, when the gradients are those that it will use.

    With gradient accumulation that is once per step and not once per backward pass. With a
    `GradScaler` the gradients are unscaled by then, and a step that the scaler skips does not
    count.

    Attributes:
        taken: the steps since the optimizer was last attached.
    """

    def __init__(self) -> None:
        self.taken = 0
        self._optimizer: Optimizer | None = None
        self._handle: RemovableHandle | None = None

    def attach(self, optimizer: Optimizer, action: Callable[[Optimizer], None]) -> None:
        """Call `action(optimizer)` before each step from now on; do nothing if it is attached already.

        Raises:
            TypeError: not a torch optimizer, so its steps cannot be hooked.
        """
        if optimizer is self._optimizer:
            return
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(optimizer).__name__} is not a torch.optim.Optimizer, so its steps cannot "
                'be followed; use penalty="loss"'
            )
        self.detach()

        def before_step(optimizer: Optimizer, *_: Any) -> None:
            if not _left_out(optimizer):
                _unscale(optimizer)
                self.taken += 1
                action(optimizer)

        self._handle = optimizer.register_step_pre_hook(before_step)
        self._optimizer, self.taken = optimizer, 0

    def detach(self) -> None:
        """Remove the hook from the optimizer."""
        if self._handle is not None:
            self._handle.remove()
        self._handle = self._optimizer = None

    def __getstate__(self) -> dict[str, Any]:
        return {"taken": self.taken, "_optimizer": None, "_handle": None}


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
