"""The slow truth: obviously correct, and only for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree


def slow_global_importance(
    model: nn.Module,
    batches: Iterable[Any],
    forward: Callable[[nn.Module, Any], Tensor] | None = None,
) -> dict[str, Tensor]:
    """Ω by its definition: batch size one, autograd, absolute value, mean over the samples."""
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    count = 0
    for batch in batches:
        for k in range(len(pytree.tree_leaves(batch)[0])):
            sample = pytree.tree_map_only(Tensor, lambda t, k=k: t[k : k + 1], batch)
            if forward is not None:
                output = forward(model, sample)
            else:
                output = model(sample[0] if isinstance(sample, tuple | list) else sample)
            gradients = torch.autograd.grad(
                output.square().sum(), list(parameters.values()), allow_unused=True
            )
            for name, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    sums[name] += gradient.abs()
            count += 1
    for module, mode in training:
        module.training = mode
    return {name: total / count for name, total in sums.items()}
