"""The output must be a whole graph from the parameters: neither recomputed nor cut off."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from avalanche_mas.importance import (
    fisher_information,
    global_importance,
    local_importance,
)

X = torch.ones(6, 2)


@pytest.mark.parametrize("measure", [global_importance, local_importance])
@pytest.mark.parametrize("reentrant", [False, True])
def test_refuses_checkpointed_activations(measure: Any, reentrant: bool) -> None:
    class Checkpointed(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(super().forward, x, use_reentrant=reentrant)

    with pytest.raises(RuntimeError, match=r"torch\.utils\.checkpoint.*turn that off"):
        measure(Checkpointed(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)), [torch.eye(2)])


EVERY_MEASURE = {
    "squared norm": global_importance,
    "vector": partial(global_importance, output="vector"),
    "batch": partial(global_importance, granularity="batch"),
    "local": local_importance,
    "drawn": fisher_information,
    "expected": partial(fisher_information, labels="expected"),
}


class Recomputed(torch.autograd.Function):
    """A checkpoint like those of FairScale, DeepSpeed and Megatron."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.run = run
        ctx.save_for_backward(x)
        with torch.no_grad():
            return run(x)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, None]:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.run(x)
        torch.autograd.backward(y, delta)
        return x.grad, None


class Reversible(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(2, 2), inner, nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(Recomputed.apply(self.first(x), self.inner))


@pytest.mark.parametrize("measure", [m for m in EVERY_MEASURE if m != "local"])
@pytest.mark.parametrize("bare", [False, True])
def test_refuses_checkpoints_of_other_libraries(measure: str, bare: bool) -> None:
    """Ω of what is in them would be zero, and ``p.grad`` another, without a word."""
    model = Reversible(nn.Linear(2, 2) if bare else nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    model(X).square().sum().backward()
    before = {name: (p.grad, p.grad.clone()) for name, p in model.named_parameters()}
    with pytest.raises(
        RuntimeError, match=r"written to 'inner\.(0\.)?weight'.*reversible.*turn that off"
    ):
        EVERY_MEASURE[measure](model, [torch.eye(2)])
    for name, p in model.named_parameters():
        assert p.grad is before[name][0]
        assert torch.equal(p.grad, before[name][1])


class Cut(nn.Sequential):
    """A network that lets no gradient through to its first part in eval mode."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.training):
            h = self[0](x)
        return self[1](h)


WITHOUT_GRADIENTS = {
    "detached": lambda model, x: model(x).detach(),
    "no_grad": torch.no_grad()(lambda model, x: model(x)),
    "inference_mode": torch.inference_mode()(lambda model, x: model(x)),
}


@pytest.mark.parametrize("measure", EVERY_MEASURE)
@pytest.mark.parametrize("how", WITHOUT_GRADIENTS)
def test_refuses_an_output_that_depends_on_no_parameter(how: str, measure: str) -> None:
    """Ω would be zero without a word."""
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU() if measure != "local" else nn.Flatten())
    with pytest.raises(
        ValueError, match=r"none of the 2 parameters, such as '0\.weight'.*forward="
    ):
        EVERY_MEASURE[measure](model, [torch.eye(2), X], forward=WITHOUT_GRADIENTS[how])


@pytest.mark.parametrize("measure", EVERY_MEASURE)
def test_refuses_parameters_that_get_a_gradient_in_training_only(measure: str) -> None:
    model = Cut(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(ValueError, match="none of the 1 parameters"):
        EVERY_MEASURE[measure](model, [torch.eye(2)], parameters=["0.weight"])
    assert EVERY_MEASURE[measure](model, [torch.eye(2)]).samples == 2  # as heads of other tasks


def test_one_batch_that_depends_on_a_parameter_is_enough() -> None:
    def some(model: nn.Module, x: Tensor) -> Tensor:
        return x if (x == 1).all() else model(x)

    for measure in EVERY_MEASURE.values():
        batches = [torch.ones(3, 2), torch.eye(2), torch.ones(3, 2)]
        assert measure(nn.Linear(2, 2), batches, forward=some).samples == 8
