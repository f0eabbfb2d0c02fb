"""Plugins that watch or disturb a training, and the slow truth about the Fisher information."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

Seen = list[dict[str, Tensor]]


class At(SupervisedPlugin):
    """Calls a function in one callback."""

    def __init__(self, callback: str, function: Callable[[Any], None]) -> None:
        super().__init__()
        setattr(self, callback, lambda strategy, **_: function(strategy))


@contextmanager
def double_by_default() -> Iterator[None]:
    """Avalanche's multi-head classifier makes its output in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def slow_fisher(
    model: nn.Module, batches: Iterable[Any], outputs: Callable[[nn.Module, Any], Tensor]
) -> dict[str, Tensor]:
    """F by its definition: batch size one, float64, labels drawn batch by batch as they come."""
    model = copy.deepcopy(model).eval()
    exact = copy.deepcopy(model).double()
    for parameter in exact.parameters():
        parameter.grad = None
    sums = {n: torch.zeros_like(p) for n, p in exact.named_parameters() if p.requires_grad}
    count = 0
    for x, _, *rest in batches:
        with torch.no_grad():
            drawn = torch.multinomial(outputs(model, (x, None, *rest)).softmax(1), 1)[:, 0]
        for k in range(len(x)):
            one = x[k : k + 1].double() if x.is_floating_point() else x[k : k + 1]
            sample = (one, None, *(field[k : k + 1] for field in rest))
            exact.zero_grad()
            with double_by_default():
                outputs(exact, sample).log_softmax(1)[0, drawn[k]].backward()
            for name, parameter in exact.named_parameters():
                if parameter.grad is not None:
                    sums[name] += parameter.grad.square()
            count += 1
    return {name: total / count for name, total in sums.items()}
