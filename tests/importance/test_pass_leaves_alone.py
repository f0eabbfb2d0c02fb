"""What a pass over the data leaves as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.importance import global_importance
from tests.importance.cases import Overwritten
from tests.importance.convolutional import X, network
from tests.importance.test_exact import relative_error
from tests.reference import slow_global_importance


def test_the_mode_is_changed_without_side_effects() -> None:
    class Merging(nn.Linear):
        """A layer like an adapter that is merged into the weights in eval mode."""

        def train(self, mode: bool = True) -> Merging:
            if not mode:
                self.weight.data += 1
            return super().train(mode)

    model = Merging(2, 2)
    before = model.weight.detach().clone()
    global_importance(model, [torch.eye(2)])
    assert torch.equal(model.weight, before)


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError(f"boom at {list(x.shape)}")


class Counting(nn.Module):
    """A layer that changes a buffer and draws random numbers, in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        torch.rand(1), random.random(), np.random.rand()  # noqa: NPY002
        return x


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_as_before_afterwards(fails: bool) -> None:
    model = network().append(Counting())
    model[0].bias.requires_grad_(False)
    model[5].weight.grad = torch.ones_like(model[5].weight)
    model[1].eval()
    modes = [module.training for module in model.modules()]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    values = {name: p.detach().clone() for name, p in model.named_parameters()}
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002

    def batches() -> Iterator[Tensor]:
        yield X
        if fails:
            raise KeyError("the loader broke")

    if fails:
        with pytest.raises(KeyError):
            global_importance(model, batches())
    else:
        global_importance(model, batches())

    assert [module.training for module in model.modules()] == modes
    assert not model[0].bias.requires_grad
    assert model[0].weight.requires_grad
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {"5.weight"}
    assert torch.equal(model[5].weight.grad, torch.ones_like(model[5].weight))
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())
    assert all(torch.equal(p, values[name]) for name, p in model.named_parameters())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (np.random.get_state()[1] == before[2]).all()  # noqa: NPY002


def test_attributes_that_the_network_sets_are_as_before() -> None:
    model = Overwritten()
    global_importance(model, [torch.randn(2, 4)])
    assert model.cache is None


def test_an_exception_in_the_network_passes_through() -> None:
    model = nn.Sequential(nn.Linear(2, 2), Failing())
    with pytest.raises(RuntimeError, match="boom"):
        global_importance(model, [torch.zeros(1, 2)])
    assert model.training


def test_works_without_gradients_around_it() -> None:
    with torch.no_grad():
        found = global_importance(network(), [X])
    assert relative_error(found, slow_global_importance(network(), [X])) <= 1e-12


@pytest.mark.parametrize(
    "buffer", [torch.ones(1).expand(3), torch.eye(3).to_sparse()], ids=["expanded", "sparse"]
)
def test_buffers_that_cannot_be_written_to_are_left_alone(buffer: Tensor) -> None:
    model = network()
    model.register_buffer("odd", buffer)
    assert relative_error(global_importance(model, [X]), global_importance(network(), [X])) == 0


def test_gradient_hooks_of_the_network_are_no_trouble() -> None:
    class Hooked(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            h = self[0](x)
            h.retain_grad()
            return self[1](h)

    layers = nn.Linear(2, 2), nn.Linear(2, 2)
    found = global_importance(Hooked(*layers), [torch.eye(2)])
    assert relative_error(found, global_importance(nn.Sequential(*layers), [torch.eye(2)])) == 0


def test_a_bias_alone_does_not_need_the_input() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.layer.weight.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            h = x.clone()
            y = self.layer(h)
            h.zero_()
            return y + h

    model = Reused()
    found = global_importance(model, [torch.eye(2)])
    torch.testing.assert_close(found["layer.bias"], 2 * model(torch.eye(2)).detach().abs().mean(0))
