"""Importance by the kernels: on a CPU in the interpreter, on a GPU compiled, the same as without them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from avalanche_mas.importance import fisher_information, global_importance
from avalanche_mas.importance.gradients import choice, ways
from avalanche_mas.importance.gradients.ways import KERNEL, LIBRARY, THREE_PRODUCTS
from avalanche_mas.importance.passes import record
from tests.reference import slow_global_importance


class Network(nn.Module):
    """Convolutions of every kind, and a linear layer that positions share."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Conv2d(2, 6, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6, padding_mode="zeros")
        self.grouped = nn.Conv2d(6, 4, 2, groups=2)
        self.pointwise = nn.Conv2d(4, 5, 1)
        self.shared = nn.Linear(5, 3)
        self.single = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.grouped(self.depthwise(self.dense(x).tanh()).tanh())
        return self.single(self.shared(self.pointwise(x).flatten(2).transpose(1, 2)).tanh().mean(1))


PRODUCTS, CONVOLUTIONS = 2, 3
"""Weights that a kernel is for. Unless told otherwise, torch uses TensorFloat-32 in convolutions alone."""


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "CHOSEN", {})


@pytest.fixture
def on_cpu(interpreter: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Let the kernels run on a CPU too, where they are never the quickest."""
    monkeypatch.setattr(ways, "available", lambda total, *_: total.dtype == torch.float32)


@pytest.fixture
def always() -> Iterator[None]:
    """Let the kernels be chosen wherever they agree."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def network_and_batches(device: str = "cpu") -> tuple[nn.Module, list[torch.Tensor]]:
    torch.manual_seed(0)
    return Network().to(device), [torch.randn(n, 2, 9, 9, device=device) for n in (4, 3)]


@pytest.mark.usefixtures("on_cpu", "always")
def test_importance_by_the_kernels() -> None:
    model, batches = network_and_batches()
    found = global_importance(model, batches)
    assert Counter(choice.CHOSEN.values()) == {
        THREE_PRODUCTS: 2 * PRODUCTS,
        KERNEL: 2 * CONVOLUTIONS,
    }
    expected = slow_global_importance(model.double(), [batch.double() for batch in batches])
    for name, omega in expected.items():
        torch.testing.assert_close(found[name].double(), omega, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("on_cpu", "always")
def test_fisher_by_the_kernels() -> None:
    model, batches = network_and_batches()
    found = fisher_information(
        model, [(x, torch.arange(len(x)) % 2) for x in batches], labels="data"
    )
    assert set(choice.CHOSEN.values()) == {THREE_PRODUCTS, KERNEL}
    assert all(key.square for key in choice.CHOSEN)
    wide = [(x.double(), torch.arange(len(x)) % 2) for x in batches]
    for name, omega in fisher_information(model.double(), wide, labels="data").items():
        torch.testing.assert_close(found[name].double(), omega, rtol=1e-4, atol=1e-7)


@pytest.mark.usefixtures("on_cpu", "always")
def test_a_kernel_that_is_wrong_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches = network_and_batches()
    expected = {name: omega.clone() for name, omega in global_importance(model, batches).items()}
    choice.CHOSEN.clear()
    monkeypatch.setattr(ways, "add_product_magnitudes", lambda total, **_: total.add_(1))
    monkeypatch.setattr(ways, "add_convolution_magnitudes", lambda total, **_: total.add_(1))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = global_importance(model, batches)
    assert len([w for w in seen if "differs from PyTorch's operations" in str(w.message)]) == 2 * (
        2 * PRODUCTS + CONVOLUTIONS
    )
    assert set(choice.CHOSEN.values()) == {LIBRARY}
    for name, omega in expected.items():
        torch.testing.assert_close(found[name], omega, rtol=1e-4, atol=1e-5)


def test_a_cpu_has_no_kernels() -> None:
    model, batches = network_and_batches()
    global_importance(model, batches)
    assert not choice.CHOSEN


@pytest.mark.gpu
@pytest.mark.parametrize("allow", [False, True], ids=["float32", "tf32"])
def test_importance_on_a_gpu(allow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in (torch.backends.cuda.matmul, torch.backends.cudnn):
        monkeypatch.setattr(backend, "allow_tf32", allow)
    model, batches = network_and_batches("cuda")
    found = global_importance(model, batches)
    assert len(choice.CHOSEN) == 2 * (PRODUCTS + CONVOLUTIONS)
    assert set(choice.CHOSEN.values()) <= {LIBRARY, KERNEL, THREE_PRODUCTS}
    monkeypatch.setattr(ways, "available", lambda *_: False)
    expected = global_importance(model, batches)
    tolerance = 2e-2 if allow else 1e-4
    for name, omega in expected.items():
        assert (found[name] - omega).abs().max() <= tolerance * omega.abs().max()


@pytest.mark.usefixtures("on_cpu", "always")
@pytest.mark.parametrize("autocast", [False, True], ids=["bfloat16", "autocast"])
def test_kernels_get_narrow_tensors_as_they_are(
    autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batches = network_and_batches()
    if not autocast:
        model, batches = model.bfloat16(), [batch.bfloat16() for batch in batches]

    def measure() -> dict[str, torch.Tensor]:
        with torch.autocast("cpu", enabled=autocast):
            return {
                name: omega.clone() for name, omega in global_importance(model, batches).items()
            }

    monkeypatch.setattr(record, "has_kernels", lambda _: True)
    found = measure()
    assert set(choice.CHOSEN.values()) == {THREE_PRODUCTS, KERNEL}
    narrow = [dtype for key in choice.CHOSEN for dtype, *_ in key.layout].count(torch.bfloat16)
    assert narrow >= len(choice.CHOSEN) * (1 if autocast else 2)
    monkeypatch.setattr(record, "has_kernels", lambda _: False)
    monkeypatch.setattr(ways, "available", lambda *_: False)
    for name, omega in measure().items():
        torch.testing.assert_close(found[name], omega, rtol=1e-4, atol=1e-5)
