"""The vector form, and the absolute value after the batch sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from avalanche.training.plugins import MASPlugin as AvalancheMASPlugin
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from avalanche_mas.importance import Measure, global_importance, local_importance
from tests.importance.cases import AWKWARD, PUBLISHED, Case
from tests.importance.test_exact import relative_error
from tests.reference import slow_vector_importance

SOME = [
    c for c in PUBLISHED if c.id in ("AlexNet", "ResNet18", "MobileNetV2", "ViT-B/16", "Swin-T")
]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("case", SOME + AWKWARD, ids=lambda case: case.id)
def test_vector_form_equals_a_gradient_for_each_output(
    case: Case, dtype: torch.dtype, tolerance: float
) -> None:
    model, x = case.make(dtype)
    truth = slow_vector_importance(model, [x])
    found = global_importance(model, [x[:-1], x[-1:]], output="vector")
    assert found.measure == Measure("vector")
    assert found.samples == len(x)
    assert relative_error(found, truth) <= tolerance


@pytest.mark.parametrize("max_bytes", [1, 3000, 10**9])
def test_vector_form_with_little_memory(max_bytes: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, 3)
    ).double()
    x = torch.randn(7, 3, 6, 6, dtype=torch.float64)
    found = global_importance(model, [x], output="vector", max_bytes=max_bytes)
    assert relative_error(found, slow_vector_importance(model, [x])) <= 1e-12


def test_vector_form_worked_out_by_hand() -> None:
    """F(x) = W x: ∂F_c/∂W_ij = [c = i] x_j, whose norm over c is |x_j| whatever W is."""
    model = nn.Linear(2, 3, bias=False)
    omega = global_importance(model, [torch.tensor([[1.0, -2.0], [3.0, 0.0]])], output="vector")
    torch.testing.assert_close(omega["weight"], torch.tensor([[2.0, 1.0]]).expand(3, 2))


def batch_sums(model: nn.Module, batches: list[Tensor]) -> dict[str, Tensor]:
    """|Σ_k g_k| over each batch by plain backward passes, over N."""
    model.eval()
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for x in batches:
        model.zero_grad()
        model(x).square().sum().backward()
        for name, p in model.named_parameters():
            sums[name] += p.grad.abs()  # type: ignore[union-attr]
    model.zero_grad()
    samples = sum(len(x) for x in batches)
    return {name: total / samples for name, total in sums.items()}


def network() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    return model, torch.randn(9, 4, dtype=torch.float64)


def test_batch_granularity_is_the_absolute_value_of_the_batch_sum() -> None:
    model, x = network()
    found = global_importance(model, x.split(4), granularity="batch")
    assert found.measure == Measure("l2", "batch")
    assert relative_error(found, batch_sums(model, list(x.split(4)))) <= 1e-12
    assert all((found[n] <= e + 1e-12).all() for n, e in global_importance(model, [x]).items())


def test_batch_granularity_with_batches_of_one_is_exact() -> None:
    model, x = network()
    for output in ("l2", "vector"):
        by_batch = global_importance(model, x.split(1), output=output, granularity="batch")
        exact = global_importance(model, [x], output=output)
        assert relative_error(by_batch, exact) <= 1e-12


def test_batch_granularity_of_the_vector_form() -> None:
    model, x = network()
    found = global_importance(model, [x], output="vector", granularity="batch")
    assert found.measure == Measure("vector", "batch")
    model.eval()
    rows = [
        torch.autograd.grad(entry, list(model.parameters()), retain_graph=True)
        for entry in model(x).sum(0)
    ]
    expected = {
        name: sum(row[i].square() for row in rows).sqrt() / len(x)
        for i, (name, _) in enumerate(model.named_parameters())
    }
    assert relative_error(found, expected) <= 1e-12


def test_batch_granularity_gives_the_numbers_of_avalanche() -> None:
    """Where its batches are of one size and no layer behaves otherwise in training."""
    model, x = network()
    data = TensorDataset(x[:8], torch.zeros(8, dtype=torch.int64))
    strategy: Any = SimpleNamespace(
        model=model,
        experience=SimpleNamespace(dataset=data),
        train_mb_size=4,
        device=torch.device("cpu"),
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    )
    theirs = AvalancheMASPlugin()._get_importance(strategy)
    ours = global_importance(model, DataLoader(data, 4), granularity="batch")
    assert relative_error(ours, {name: entry.data for name, entry in theirs.items()}) <= 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "l1"}, "output must be one of 'l2', 'vector', got 'l1'"),
        ({"granularity": "epoch"}, "granularity must be one of 'sample', 'batch', got 'epoch'"),
    ],
)
def test_refuses_unknown_forms(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        global_importance(nn.Linear(2, 2), [torch.eye(2)], **options)


def test_refuses_to_go_on_with_another_form() -> None:
    model, x = network()
    first = global_importance(model, [x])
    with pytest.raises(ValueError, match="vector"):
        global_importance(model, [x], output="vector", start=first)


def test_refuses_shapes_that_change_between_calls() -> None:
    model, x = network()
    first = global_importance(model, [x])
    model[2] = nn.Linear(6, 5).double()
    with pytest.raises(ValueError, match=r"'2\.weight'"):
        global_importance(model, [x], start=first)


@dataclass
class Result:
    embedding: Tensor


@pytest.mark.parametrize("measure", [global_importance, local_importance])
@pytest.mark.parametrize("wrap", [lambda y: {"embedding": y}, Result], ids=["dict", "dataclass"])
def test_outputs_that_are_no_classification(
    measure: Callable[..., Any], wrap: Callable[[Tensor], Any]
) -> None:
    """An embedding inside a dictionary or a dataclass, for batches that are dictionaries."""

    class Embedding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, _ = network()

        def forward(self, batch: dict[str, Tensor]) -> Any:
            return wrap(self.net(batch["image"]))

    def pick(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        result = model(batch)
        return result["embedding"] if isinstance(result, dict) else result.embedding

    x = network()[1]
    found = measure(Embedding(), [{"image": x}], forward=pick)
    plain = measure(network()[0], [x])
    assert relative_error(found, {f"net.{name}": value for name, value in plain.items()}) <= 1e-12
    with pytest.raises(TypeError, match="forward="):
        measure(Embedding(), [{"image": x}])
