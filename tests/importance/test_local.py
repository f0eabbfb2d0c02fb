"""l-MAS against an oracle that cuts the graph by hand, and against the Hebbian form."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from avalanche_mas.importance import Measure, global_importance, local_importance, stretches
from tests.importance.cases import PUBLISHED, Attentive, Case, Recurrent, images, ragged, tokens
from tests.importance.test_exact import relative_error
from tests.reference import slow_local_importance


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=4), st.integers(1, 5), st.integers(0, 10**6)
)
def test_is_the_product_of_activations_for_fully_connected_relu_networks(
    widths: list[int], samples: int, seed: int
) -> None:
    torch.manual_seed(seed)
    linears = [nn.Linear(i, o, dtype=torch.float64) for i, o in pairwise(widths)]
    model = nn.Sequential(*(module for linear in linears for module in (linear, nn.ReLU())))
    x = torch.randn(samples, widths[0], dtype=torch.float64)
    found = local_importance(model, [x])
    expected, below = {}, x
    with torch.no_grad():
        for i, linear in enumerate(linears):
            y = torch.relu(linear(below))
            expected[f"{2 * i}.weight"] = 2 / samples * y.T @ below.abs()
            expected[f"{2 * i}.bias"] = 2 / samples * y.sum(0)
            below = y
    assert relative_error(found, expected) <= 1e-12


class Encoder(Attentive):
    """Its activation is a module, where the oracle can cut."""

    def __init__(self) -> None:
        super().__init__(batch_first=False)
        for layer in self.encoder.layers:
            layer.activation = nn.GELU()


class Video(nn.Module):
    """Several frames of a sample along the batch dimension, a residual block, a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.silu, self.sigmoid = nn.SiLU(inplace=True), nn.Sigmoid()
        self.stem = nn.Conv2d(3, 4, 3)
        self.block = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(4)
        self.gate = nn.Linear(4, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x.flatten(0, 1))
        h = h + self.norm(self.block(self.silu(F.max_pool2d(h, 2))).repeat(1, 1, 2, 2))
        h = self.silu(h)
        h = h * self.sigmoid(self.gate(h.mean((2, 3))))[:, :, None, None]
        return self.head(h.mean((2, 3))).view(*x.shape[:2], -1).sum(1)


class Packed(nn.Module):
    """The rows of all samples are put together, a different number of each."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.layer, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        used = torch.arange(x.shape[1], device=x.device) < x[:, 0, :1].long()
        rows = self.head(self.relu(self.layer(x[used])))
        return rows.new_zeros(len(x), 3).index_add(0, used.nonzero()[:, 0], rows)


CASES = [
    *PUBLISHED,
    Case("Transformer encoder", Encoder, tokens()),
    Case("video", Video, lambda: torch.randn(4, 3, 3, 10, 10)),
    Case("packed rows", Packed, ragged(2, 1, 3, 2)),
]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_equals_the_graph_cut_by_hand(case: Case, dtype: torch.dtype, tolerance: float) -> None:
    model, x = case.make(dtype)
    truth = slow_local_importance(model, [x])
    found = local_importance(model, [x[:3], x[3:]] if len(x) > 3 else [x])
    assert found.measure == Measure("local")
    assert found.samples == len(x)
    assert all(value.any() for value in truth.values())
    assert relative_error(found, truth) <= tolerance


def test_differs_from_the_global_form() -> None:
    """The two agree on the last layer only: the check above can fail."""
    model, x = next(case for case in PUBLISHED if case.id == "AlexNet").make(torch.float64)
    found, other = local_importance(model, [x]), global_importance(model, [x])
    assert (
        relative_error({"w": found["classifier.6.weight"]}, {"w": other["classifier.6.weight"]})
        < 1e-12
    )
    assert (
        relative_error({"w": found["features.0.weight"]}, {"w": other["features.0.weight"]}) > 0.5
    )


class Spelled(nn.Module):
    """One network; its activations may be written in many ways."""

    def __init__(self, activation: Callable[[Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.activation = activation
        self.first, self.norm = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)
        self.second, self.head = nn.Conv2d(6, 6, 1), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.activation(self.norm(self.first(x)))
        return self.head(self.activation(self.second(h)).mean((2, 3)))


def _statement(x: Tensor) -> Tensor:
    """In place, the result thrown away."""
    x.relu_()
    return x


SPELLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "module in place": nn.ReLU(inplace=True),
    "functional": F.relu,
    "functional in place": lambda x: F.relu(x, inplace=True),
    "torch": torch.relu,
    "torch in place": torch.relu_,
    "method": Tensor.relu,
    "statement": _statement,
    "clamp": lambda x: x.clamp(min=0),
    "clamp_min": lambda x: torch.clamp_min(x, 0),
    "threshold": lambda x: F.threshold(x, 0.0, 0.0),
    "leaky": lambda x: F.leaky_relu(x, 0.0),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_activations_are_found_however_they_are_written(spelling: str) -> None:
    x = images(7)().double()
    found = local_importance(Spelled(SPELLINGS[spelling]).double(), [x])
    truth = slow_local_importance(Spelled(nn.ReLU()).double(), [x])
    assert relative_error(found, truth) <= 1e-12


@pytest.mark.parametrize(
    "activation",
    [F.gelu, F.silu, torch.tanh, torch.sigmoid, F.elu, F.hardswish, F.softplus, F.mish, torch.sin],
    ids=lambda function: function.__name__,
)
def test_smooth_activations_end_a_stretch_too(activation: Callable[[Tensor], Tensor]) -> None:
    model, x = Spelled(activation).double(), images(7)().double()
    found = local_importance(model, [x])
    model.eval()
    expected = torch.zeros_like(model.head.weight)
    for image in x.split(1):
        h = activation(model.norm(model.first(image)))
        pooled = activation(model.second(h)).mean((2, 3))[0].detach()
        expected += 2 * (model.head(pooled).detach()[:, None] * pooled).abs() / len(x)
    torch.testing.assert_close(found["head.weight"], expected)
    assert len(stretches(model, x)) == 3


class Shared(nn.Module):
    """A layer that is used in two stretches, and parameters that no rule covers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.mixing = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
        self.gate = nn.Parameter(torch.randn(4))
        self.slope = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.layer(x))
        h = self.slope(self.mixing(h) * torch.sigmoid(self.gate))
        return self.layer(h)


def test_sums_over_the_stretches_of_a_shared_layer_before_the_absolute_value() -> None:
    torch.manual_seed(0)
    model, x = Shared().double(), torch.randn(5, 4, dtype=torch.float64)
    found = local_importance(model, [x])
    expected = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for row in x.split(1):
        first = torch.tanh(model.layer(row))
        second = model.slope(model.mixing(first.detach()) * torch.sigmoid(model.gate))
        third = model.layer(second.detach())
        objective = sum(part.square().sum() for part in (first, second, third))
        gradients = torch.autograd.grad(objective, list(model.parameters()))
        for name, gradient in zip(expected, gradients, strict=True):
            expected[name] += gradient.abs() / len(x)
    assert all(value.any() for value in expected.values())
    assert relative_error(found, expected) <= 1e-12


def test_what_comes_in_over_a_skip_connection_is_constant() -> None:
    """Preactivation: the identity path carries first's output on, but it was first's once only."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = (nn.Linear(3, 3) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            h = self.first(x)
            h = h + self.second(F.relu(h))
            return self.head(F.relu(h))

    model = Block()
    ends = [(stretch.end, stretch.parameters) for stretch in stretches(model, torch.randn(2, 3))]
    assert ends == [
        ("relu", ("first.weight", "first.bias")),
        ("relu", ("second.weight", "second.bias")),
        ("output", ("head.weight", "head.bias")),
    ]
    x = torch.randn(4, 3)
    assert relative_error(local_importance(model, [x]), slow_local_importance(model, [x])) <= 1e-5


def test_stretches_can_be_read() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(36, 2)
    )
    shown = [str(stretch) for stretch in stretches(model, (torch.randn(2, 3, 5, 5), "label"))]
    assert shown == [
        "0.weight 0.bias 1.weight 1.bias -> relu",
        "4.weight 4.bias -> output",
    ]
    assert model.training
    assert all(p.grad is None for p in model.parameters())


def test_start_goes_on_where_the_first_left_off() -> None:
    model, x = Spelled(torch.relu).double(), images(7, 5)().double()
    first = local_importance(model, [x[:2]])
    both = local_importance(model, [x[2:]], start=first)
    assert both.samples == 5
    assert relative_error(both, local_importance(model, [x])) <= 1e-12
    with pytest.raises(ValueError, match="local"):
        global_importance(model, [x], start=first)


def test_refuses_a_recurrent_kernel() -> None:
    with pytest.raises(ValueError, match=r"'lstm\.weight_ih_l0' cannot be determined: lstm holds"):
        local_importance(Recurrent(), [tokens()()])
    rest = ["embed.weight", "head.weight"]
    assert set(local_importance(Recurrent(), [tokens()()], parameters=rest)) == set(rest)


def test_refuses_samples_that_interact() -> None:
    class Centred(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x - x.mean(0)

    with pytest.raises(ValueError, match="samples interact"):
        local_importance(nn.Sequential(nn.Linear(2, 2), Centred(), nn.ReLU()), [torch.eye(2)])


@pytest.mark.parametrize("where", ["layer", "activation", "constant"])
@pytest.mark.parametrize("hooking", [lambda t: t.register_hook(lambda _: None), Tensor.retain_grad])
def test_gradient_hooks_of_the_network_are_no_trouble(
    where: str, hooking: Callable[[Tensor], Any]
) -> None:
    class Hooked(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            layer = self[0](x)
            activation = layer.relu()
            constant = activation.flip(1)
            hooking({"layer": layer, "activation": activation, "constant": constant}[where])
            return self[1](constant)

    torch.manual_seed(0)
    layers, x = (nn.Linear(2, 3), nn.Linear(3, 2)), torch.randn(4, 2)
    expected = local_importance(nn.Sequential(layers[0], Flipped(), layers[1]), [x])
    found = local_importance(Hooked(*layers), [x])
    for layer, plain in ((0, 0), (1, 2)):
        assert torch.equal(found[f"{layer}.weight"], expected[f"{plain}.weight"])


class Flipped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.relu().flip(1)
