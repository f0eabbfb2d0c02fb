"""Mixed precision for Avalanche's supervised strategies, which have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate as Strategy
else:
    Strategy = object  # Avalanche's class would put its constructor before that of the strategy


class MixedPrecision(Strategy):
    """A strategy whose forward passes run under autocast; with float16 the loss is scaled.

    After Micikevicius et al., ICLR 2018, arXiv 1710.03740.

    The output is float32, and so are the gradients, which are unscaled right after the backward
    pass: what plugins add to the loss or gradients, and the norm used for clipping, are as without
    it. A step with non-finite gradients is skipped; after it the gradients are 0.

    Each task starts with a new scale.
    """

    dtype: torch.dtype

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        scaled = self.dtype is torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)

    def _before_training_exp(self, **kwargs: Any) -> None:
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(torch.amp.GradScaler(self.device.type).state_dict())
        super()._before_training_exp(**kwargs)

    def forward(self) -> Tensor:
        """Return the output for the current batch, computed in mixed precision, as float32."""
        with torch.autocast(self.device.type, self.dtype):
            output: Tensor = super().forward()
        return output.float()

    def backward(self) -> None:
        """Compute the gradients of the loss, unscaled."""
        self.scaler.scale(self.loss).backward(retain_graph=self.retain_graph)
        self.scaler.unscale_(self.optimizer)

    def optimizer_step(self) -> None:
        """Take the step if the gradients of the scaled loss were finite."""
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.scaler.get_scale() < scale:  # skipped: see GradScaler.update
            self.optimizer.zero_grad(set_to_none=False)


def with_precision(strategy: type[Any], precision: str) -> type[Any]:
    """Return a strategy class in the precision of this name."""
    if precision == "float32":
        return strategy
    name = f"{strategy.__name__}In{precision.capitalize()}"
    return type(name, (MixedPrecision, strategy), {"dtype": getattr(torch, precision)})
