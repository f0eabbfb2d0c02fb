"""The rule of each layer over its shapes, against autograd sample by sample."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from avalanche_mas.importance import global_importance
from avalanche_mas.importance.gradients.general import General
from tests.importance.test_exact import relative_error
from tests.reference import slow_global_importance

sizes = st.integers(1, 4)
batches = st.integers(1, 5)
examples = settings(max_examples=40, deadline=None)


@pytest.fixture(autouse=True)
def _no_general_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a layer that its rule does not cover a failure, not a slow success."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the rule was expected to cover this layer")

    monkeypatch.setattr(General, "add", refuse)


class OneLayer(nn.Module):
    """A layer whose output becomes [B, C] without further parameters, weighted so that δ varies."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer.double()
        for parameter in layer.parameters():
            nn.init.normal_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x).flatten(1)
        return y * torch.linspace(0.5, 2.0, y.shape[1], dtype=y.dtype)


def check(layer: nn.Module, x: Tensor, max_bytes: int) -> None:
    model = OneLayer(layer)
    found = global_importance(model, [x], max_bytes=max_bytes)
    assert relative_error(found, slow_global_importance(model, [x])) <= 1e-10


memory = st.sampled_from([1, 200, 2**28])


@examples
@given(batches, st.lists(sizes, max_size=2), sizes, sizes, st.booleans(), memory)
def test_linear(b: int, leading: list[int], i: int, o: int, bias: bool, max_bytes: int) -> None:
    check(nn.Linear(i, o, bias), torch.randn(b, *leading, i, dtype=torch.float64), max_bytes)


class RightFactor(nn.Module):
    """x W written out in one of several ways."""

    def __init__(self, i: int, o: int, product: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(i, o)), nn.Parameter(torch.ones(o))
        self.product = product

    def forward(self, x: Tensor) -> Tensor:
        return self.product(self.bias, x, self.weight)


def _addmm(b: Tensor, x: Tensor, w: Tensor) -> Tensor:
    """As in GPT-2."""
    flat = torch.addmm(b, x.reshape(-1, x.shape[-1]), w, alpha=0.5, beta=2)
    return flat.view(*x.shape[:-1], -1)


PRODUCTS: list[Callable[[Tensor, Tensor, Tensor], Tensor]] = [
    _addmm,
    lambda b, x, w: x @ w + b,
    lambda b, x, w: torch.matmul(x, w) + b,
    lambda b, x, w: x.flatten(0, -2).mm(w).view(*x.shape[:-1], -1) + b,
]


@examples
@given(st.sampled_from(PRODUCTS), batches, st.lists(sizes, max_size=2), sizes, sizes, memory)
def test_factor_on_the_right(
    product: Any, b: int, leading: list[int], i: int, o: int, max_bytes: int
) -> None:
    x = torch.randn(b, *leading, i, dtype=torch.float64)
    check(RightFactor(i, o, product), x, max_bytes)


# torch pads a copy where an even kernel's padding is uneven, and says so.
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    n=st.sampled_from([1, 2, 3]),
    b=batches,
    groups=st.sampled_from([1, 1, 2, 3]),
    per_group=st.tuples(sizes, sizes),
    bias=st.booleans(),
    mode=st.sampled_from(["zeros", "zeros", "circular", "reflect", "replicate"]),
    max_bytes=memory,
)
def test_convolution(
    data: st.DataObject,
    n: int,
    b: int,
    groups: int,
    per_group: tuple[int, int],
    bias: bool,
    mode: str,
    max_bytes: int,
) -> None:
    def axes(values: st.SearchStrategy[int]) -> tuple[int, ...]:
        return data.draw(st.tuples(*[values] * n))

    kernel, dilation = axes(st.integers(1, 3)), axes(st.integers(1, 2))
    padding: Any = data.draw(st.sampled_from(["same", "valid", axes(st.integers(0, 2))]))
    stride = (1,) * n if padding == "same" else axes(st.integers(1, 3))
    image = [d * (k - 1) + 2 + e for k, d, e in zip(kernel, dilation, axes(sizes), strict=True)]
    classes = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
    layer = classes[n](
        per_group[0] * groups,
        per_group[1] * groups,
        kernel,
        stride,
        padding,
        dilation,
        groups,
        bias,
        mode,
    )
    check(layer, torch.randn(b, per_group[0] * groups, *image, dtype=torch.float64), max_bytes)


@pytest.mark.parametrize("max_bytes", [1000, 2**28])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("size", [20, 5])
def test_convolution_with_many_positions_and_channels(
    size: int, groups: int, max_bytes: int
) -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 16, size, size, dtype=torch.float64)
    check(nn.Conv2d(16, 24, 3, padding=1, groups=groups), x, max_bytes)


@examples
@given(batches, sizes, st.lists(sizes, max_size=3), st.booleans(), st.booleans())
def test_batch_norm(b: int, c: int, space: list[int], affine: bool, deep: bool) -> None:
    classes = [nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d]
    norm = classes[len(space)](c, affine=affine)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.1, 3)
    first = nn.Linear(c, c) if not space else nn.Conv2d(c, c, 1) if len(space) == 2 else None
    layers = [first, norm] if first is not None and deep else [norm]
    if not affine and len(layers) == 1:
        return
    check(nn.Sequential(*layers), torch.randn(b, c, *space, dtype=torch.float64), 2**28)


@examples
@given(batches, st.lists(sizes, max_size=2), st.lists(sizes, min_size=1, max_size=2), st.booleans())
def test_layer_norm(b: int, leading: list[int], shape: list[int], bias: bool) -> None:
    assume(math.prod(shape) > 1)  # a single value is normalised to zero, and Ω is rounding noise
    x = torch.randn(b, *leading, *shape, dtype=torch.float64)
    check(nn.LayerNorm(shape, bias=bias), x, 2**28)


@examples
@given(batches, sizes, sizes, st.lists(sizes, max_size=2))
def test_group_norm(b: int, groups: int, per_group: int, space: list[int]) -> None:
    c = groups * per_group
    assume(per_group * math.prod(space) > 1)  # as for the layer norm
    check(nn.GroupNorm(groups, c), torch.randn(b, c, *space, dtype=torch.float64), 2**28)


@examples
@given(
    b=batches,
    places=st.lists(sizes, max_size=2),
    words=st.integers(1, 5),
    width=sizes,
    padding_idx=st.sampled_from([None, 0, -1]),
    twice=st.booleans(),
    max_bytes=memory,
)
def test_embedding(
    b: int,
    places: list[int],
    words: int,
    width: int,
    padding_idx: int | None,
    twice: bool,
    max_bytes: int,
) -> None:
    table = nn.Embedding(words, width, padding_idx)
    x = torch.randint(words, (b, *places))
    check(Twice(table) if twice else table, x, max_bytes)


class Twice(nn.Module):
    """A layer that is called twice, so that its uses add up before the absolute value."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) - self.layer(x.flip(-1) if x.dim() > 1 else x).pow(2)


@examples
@given(batches, st.booleans(), st.sampled_from([(3, 4), (1, 4), (3, 1), (4,), (1,), ()]))
def test_scale_and_shift_that_broadcast(b: int, flipped: bool, shape: tuple[int, ...]) -> None:
    class Affine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(shape))
            self.shift = nn.Parameter(torch.ones(shape))

        def forward(self, x: Tensor) -> Tensor:
            return self.shift + self.scale * x if flipped else x * self.scale + self.shift

    check(Affine(), torch.randn(b, 3, 4, dtype=torch.float64), 2**28)
