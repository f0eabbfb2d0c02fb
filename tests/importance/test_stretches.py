"""Where l-MAS's stretches begin and end: gates, branches, weights that are computed, what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avalanche_mas.importance import local_importance, stretches
from tests.importance.test_exact import relative_error


class Net(nn.Module):
    """Four linear layers, parameters and a buffer, to be used by a function."""

    def __init__(self, function: Callable[[Net, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.c, self.head = (nn.Linear(4, 4) for _ in range(4))
        self.w = nn.Parameter(torch.randn(4, 4))
        self.t = nn.Parameter(torch.randn(4))
        self.register_buffer("mask", torch.tensor([1.0, 0.5, 2.0, 1.0]))
        self.function = function
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


X = torch.randn(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

Layers = Callable[[Net, Tensor], list[Tensor]]
"""The layers' outputs for one sample, each computed from constants and its own parameters."""


def expected(model: Net, layers: Layers) -> dict[str, Tensor]:
    """l-MAS by batch size one, given what the layers are."""
    parameters = dict(model.named_parameters())
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for x in X.split(1):
        objective = sum(y.square().sum() for y in layers(model, x))
        gradients = torch.autograd.grad(
            objective, list(parameters.values()), allow_unused=True, materialize_grads=True
        )
        for name, gradient in zip(parameters, gradients, strict=True):
            sums[name] += gradient.abs() / len(X)
    return sums


def two_layers(first: Callable[[Net, Tensor], Tensor]) -> tuple[Layers, Callable[..., Tensor]]:
    """A first layer of any kind, and the head."""

    def layers(m: Net, x: Tensor) -> list[Tensor]:
        y = first(m, x)
        return [y, m.head(y.detach())]

    return layers, lambda m, x: m.head(first(m, x))


def overwritten(m: Net, x: Tensor) -> Tensor:
    h = m.t.repeat(len(x), 1)
    h += m.a(x)
    return torch.relu(h)


def assigned(m: Net, x: Tensor) -> Tensor:
    h = m.a(x)
    h[:, 2:] = m.t[2:]
    return torch.relu(h)


def half_swish(m: Net, x: Tensor) -> Tensor:
    left, right = m.a(x).chunk(2, 1)
    return F.pad(F.silu(left) * right, (0, 2))


FIRST_LAYERS: dict[str, Callable[[Net, Tensor], Tensor]] = {
    "silu by hand": lambda m, x: (h := m.a(x)) * torch.sigmoid(1.7 * h),
    "gelu by hand, erf": lambda m, x: (h := m.a(x)) * 0.5 * (1.0 + torch.erf(h / 2**0.5)),
    "gelu by hand, tanh": lambda m, x: (
        0.5 * (h := m.a(x)) * (1.0 + torch.tanh(0.8 * (h + 0.044715 * h.pow(3.0))))
    ),
    "gelu by hand, scale last": lambda m, x: (1 + torch.tanh(h := m.a(x))) * 0.5 * h,
    "hard swish by hand": lambda m, x: (h := m.a(x)) * (F.relu6(h + 3) / 6).to(torch.float64),
    "highway": lambda m, x: (1 - torch.sigmoid(h := m.a(x))) * h,
    "a gate of another shape": lambda m, x: (
        (h := m.a(x)) * torch.sigmoid((h * m.t).mean(1))[:, None].expand_as(h)
    ),
    "glu": lambda m, x: F.pad(F.glu(m.a(x)), (0, 2)),
    "swiglu of one layer": half_swish,
    "maximum": lambda m, x: torch.maximum(m.a(x), torch.zeros(())),
    "transposed": lambda m, x: torch.relu(x @ m.w.T),
    "low rank": lambda m, x: torch.relu(x @ m.w[:, :2].mT.mT @ m.w[:2] + m.t),
    "assigned": assigned,
    "overwritten": overwritten,
    "masked weight": lambda m, x: torch.tanh(F.linear(x, F.relu(m.w * m.mask))),
    "gate of a parameter": lambda m, x: torch.relu(m.a(x) * torch.sigmoid(m.t / m.mask)),
    "positive weight": lambda m, x: torch.relu(F.linear(x, F.softplus(m.w + m.mask))),
    "normalised by hand": lambda m, x: torch.relu(
        (h := m.a(x)) / h.norm(dim=1, keepdim=True).clamp(min=1e-8)
    ),
    "rms norm": lambda m, x: F.gelu(F.rms_norm(m.a(x), (4,), m.t)),
    "prelu": lambda m, x: F.prelu(m.a(x), m.t),
    "prelu, one slope": lambda m, x: F.prelu(m.a(x), m.t[:1]),
}


@pytest.mark.parametrize("name", FIRST_LAYERS)
@pytest.mark.parametrize("cuts", [[5], [2, 3], [1, 4]], ids=str)
def test_a_layer_of_many_kinds(name: str, cuts: list[int]) -> None:
    layers, function = two_layers(FIRST_LAYERS[name])
    model = Net(function)
    found = local_importance(model, X.split(cuts))
    assert relative_error(found, expected(model, layers)) <= 1e-10
    assert len(stretches(model, X)) == 2


def test_a_gate_from_another_layer_is_constant() -> None:
    """What it is multiplied with goes on to the next nonlinearity."""

    def layers(m: Net, x: Tensor) -> list[Tensor]:
        gate = torch.sigmoid(m.b(x))
        return [gate, m.head(m.a(x) * gate.detach())]

    model = Net(lambda m, x: m.head(m.a(x) * torch.sigmoid(m.b(x))))
    assert relative_error(local_importance(model, [X]), expected(model, layers)) <= 1e-12


@pytest.mark.parametrize("cuts", [[5], [2, 3]], ids=str)
@pytest.mark.parametrize(
    "excite",
    [lambda m, s: m.c(s), lambda m, s: F.linear(s, m.w * m.mask)],
    ids=["a rule", "general path"],
)
def test_squeeze_and_excitation_of_a_layer_without_activation(
    excite: Callable[[Net, Tensor], Tensor], cuts: list[int]
) -> None:
    """The layer reaches the ReLU of the gate first; its output is constant in the product."""

    def layers(m: Net, x: Tensor) -> list[Tensor]:
        h = m.a(x)
        squeezed = torch.relu(m.b(h))
        gate = torch.sigmoid(excite(m, squeezed.detach()))
        return [squeezed, gate, m.head((h * gate).detach())]

    def function(m: Net, x: Tensor) -> Tensor:
        h = m.a(x)
        return m.head(h * torch.sigmoid(excite(m, torch.relu(m.b(h)))))

    model = Net(function)
    found = local_importance(model, X.split(cuts))
    assert relative_error(found, expected(model, layers)) <= 1e-10


def test_an_activation_that_is_a_gate_and_used_by_itself() -> None:
    def layers(m: Net, x: Tensor) -> list[Tensor]:
        h = m.a(x)
        gate = torch.sigmoid(h)
        return [h * gate, gate, m.head((h * gate).detach() + gate.detach().flip(1))]

    def function(m: Net, x: Tensor) -> Tensor:
        h = m.a(x)
        gate = torch.sigmoid(h)
        product = h * gate
        return m.head(product + gate.flip(1))

    model = Net(function)
    assert relative_error(local_importance(model, [X]), expected(model, layers)) <= 1e-12


def rms(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1.0 + torch.tanh(0.8 * (x + 0.044715 * torch.pow(x, 3.0))))


@pytest.mark.parametrize("cuts", [[5], [2, 3]], ids=str)
@pytest.mark.parametrize("activation", [torch.relu, gelu])
@pytest.mark.parametrize("norm", [rms, lambda x: F.layer_norm(x, (4,))])
def test_pre_norm_residual_blocks(
    norm: Callable[[Tensor], Tensor], activation: Callable[[Tensor], Tensor], cuts: list[int]
) -> None:
    """The skip connection brings in layers whose stretch has ended: they are constant in the norm."""

    def function(m: Net, x: Tensor) -> Tensor:
        x = m.a(x)
        x = x + m.c(activation(m.b(norm(x) * m.t)))
        x = x + activation(norm(x) @ m.w)
        return m.head(norm(x))

    def layers(m: Net, x: Tensor) -> list[Tensor]:
        start = m.a(x)
        first = activation(m.b(norm(start) * m.t))
        middle = start.detach() + m.c(first.detach())
        second = activation(norm(middle) @ m.w)
        return [first, second, m.head(norm((middle + second).detach()))]

    model = Net(function)
    found = local_importance(model, X.split(cuts))
    assert relative_error(found, expected(model, layers)) <= 1e-10
    assert len(stretches(model, X)) == 3


@pytest.mark.parametrize(
    "scaled",
    [lambda y: 1 + y, lambda y: 3 - 2 * y, lambda y: y / 2, lambda y: -y.to(torch.float64)],
)
def test_an_activation_that_is_scaled_or_shifted_ends_a_stretch_itself(
    scaled: Callable[[Tensor], Tensor],
) -> None:
    def layers(m: Net, x: Tensor) -> list[Tensor]:
        y = torch.tanh(m.a(x))
        return [y, m.head(scaled(y).detach())]

    model = Net(lambda m, x: m.head(scaled(torch.tanh(m.a(x)))))
    assert relative_error(local_importance(model, [X]), expected(model, layers)) <= 1e-12
    at_the_end = Net(lambda m, x: scaled(torch.tanh(m.a(x))))
    truth = expected(at_the_end, lambda m, x: layers(m, x)[:1])
    assert relative_error(local_importance(at_the_end, [X]), truth) <= 1e-12


def test_parallel_branches_of_one_layer_all_count() -> None:
    def layers(m: Net, x: Tensor) -> list[Tensor]:
        h = m.a(x)
        first, second = h.relu(), (-h).relu()
        return [first, second, m.head((first - 2 * second).detach())]

    model = Net(lambda m, x: m.head((h := m.a(x)).relu() - 2 * (-h).relu()))
    assert relative_error(local_importance(model, [X]), expected(model, layers)) <= 1e-12


def test_a_recurrent_kernel_whose_parameters_are_left_out_ends_a_stretch() -> None:
    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.head = nn.Linear(4, 4), nn.Linear(3, 2)
            self.lstm = nn.LSTM(4, 3, batch_first=True).requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            states, _ = self.lstm(self.a(x)[:, None])
            return self.head(states[:, 0])

    shown = [str(stretch) for stretch in stretches(Sequence(), torch.randn(2, 4))]
    assert shown == ["a.weight a.bias -> lstm", "head.weight head.bias -> output"]


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.round()

    @staticmethod
    def backward(ctx: object, delta: Tensor) -> Tensor:  # noqa: ARG004
        return delta


def used_before(m: Net, x: Tensor) -> Tensor:
    h = m.a(x)
    gate = torch.sigmoid(h).flip(1)
    return m.head(h * gate)


def part_in_place(m: Net, x: Tensor) -> Tensor:
    h = m.a(x)
    h[:, :2].relu_()
    return m.head(h)


REFUSED: dict[str, tuple[Callable[[Net, Tensor], Tensor], str]] = {
    "a gate that was used before": (used_before, r"'a\.weight' cannot.*multiplied.*F\.silu"),
    "mish by hand": (
        lambda m, x: m.head((h := m.a(x)) * torch.tanh(F.softplus(h))),
        r"'a\.weight' cannot.*multiplied.*F\.silu",
    ),
    "a part that is changed in place": (part_in_place, r"'a\.weight' cannot.*relu changes a part"),
    "a custom function": (
        lambda m, x: m.head(torch.relu(StraightThrough.apply(m.a(x)))),
        r"'a\.weight' cannot.*StraightThrough, a custom autograd\.Function",
    ),
    "a custom function on a parameter": (
        lambda m, x: m.head(torch.relu(F.linear(x, StraightThrough.apply(m.w)))),
        r"'w' cannot|StraightThrough",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refuses(what: str) -> None:
    function, message = REFUSED[what]
    model = Net(function)
    with pytest.raises(ValueError, match=message):
        local_importance(model, [X])


@pytest.mark.parametrize("activation", [torch.relu, torch.tanh, F.silu])
def test_refuses_an_activation_in_a_scripted_function(
    activation: Callable[[Tensor], Tensor],
) -> None:
    """Its operations are not seen, so that two layers would pass for one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated, but still in use
        scripted = torch.jit.trace(activation, torch.ones(5, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"'a\.weight' cannot.*not seen.*scripted function"):
        local_importance(Net(lambda m, x: m.head(scripted(m.a(x)))), [X])
    linear = Net(lambda m, x: m.head(torch.stack(list(m.a(x)))))  # its rows are not seen either
    assert [str(s) for s in stretches(linear, X)] == [
        "a.weight a.bias head.weight head.bias -> output"
    ]


def test_a_compiled_part_runs_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = list[object]()

    def backend(graph: Callable[..., Any], inputs: object) -> Callable[..., Any]:
        compiled.append(inputs)
        return graph

    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 2))).double()
    truth = local_importance(model, [X])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dynamo's own
        model[1] = torch.compile(model[1], backend=backend)
        if hasattr(torch.compiler, "set_stance"):
            assert relative_error(local_importance(model, [X]), truth) == 0
            assert not compiled
            model(X)
            assert compiled  # in training it is compiled as before
    monkeypatch.delattr(torch.compiler, "set_stance", raising=False)
    with pytest.raises(ValueError, match=r"stretches of '1' cannot be determined: it is compiled"):
        local_importance(model, [X])


def test_refuses_a_view_of_a_parameter_that_was_made_at_the_start() -> None:
    model = Net(lambda m, x: m.head(torch.relu(x @ m.view)))
    model.view = model.w.t()
    with pytest.raises(ValueError, match="'w' cannot be determined: it is used other than"):
        local_importance(model, [X])


def test_large_activations_of_half_networks_do_not_overflow() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    nn.init.constant_(model[0].weight, 1e4)
    nn.init.constant_(model[2].weight, 1e-4)
    found = local_importance(model.half(), [torch.ones(2, 4).half()])
    torch.testing.assert_close(found["0.weight"], torch.full((4, 4), 8e4), rtol=1e-2, atol=0)
