"""The penalty on a GPU beside float64 on the CPU, and where a model moves between the two."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas import devices
from avalanche_mas.penalty import QuadraticPenalty, gradient
from tests.penalty.cases import convnet, gradients, grow, move, random_omega, set_gradients

TOLERANCE = 1e-5
"""Relative, of float32 beside float64: each entry takes four roundings of 6e-8, the sum some more."""


@pytest.fixture(params=["as it is", "grouped", "cut up"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU handles many parameters at once too, as a GPU does, and large ones in pieces."""
    if request.param != "as it is":
        monkeypatch.setattr(devices, "CACHED", frozenset())
    if request.param == "cut up":
        monkeypatch.setattr(gradient, "GROUP", 50)


def learned() -> tuple[nn.Module, QuadraticPenalty]:
    """A model that has moved from θ*, with gradients."""
    torch.manual_seed(0)
    model, penalty = convnet(), QuadraticPenalty(0.7)
    penalty.consolidate(model, random_omega(model))
    move(model)
    set_gradients(model)
    return model, penalty


def expected(model: nn.Module, penalty: QuadraticPenalty) -> tuple[float, dict[str, Tensor]]:
    """The value, and the gradients with the penalty's added, in float64 on the CPU."""
    value, after = 0.0, {}
    for name, p in model.named_parameters():
        theta, grad = p.detach().cpu().double(), torch.zeros(p.shape, dtype=torch.float64)
        grad = grad if p.grad is None else p.grad.cpu().double()
        omega, anchor = (t[name].cpu().double() for t in (penalty.importance, penalty.anchors))
        old = tuple(map(slice, anchor.shape))
        value += 0.7 * (omega * (theta[old] - anchor).square()).sum().item()
        grad = grad.clone()
        grad[old] += 2 * 0.7 * omega * (theta[old] - anchor)
        after[name] = grad
    return value, after


def check(model: nn.Module, penalty: QuadraticPenalty, rtol: float = TOLERANCE) -> None:
    value, after = expected(model, penalty)
    places = [p.grad.data_ptr() for p in model.parameters() if p.grad is not None]
    assert penalty.value(model).item() == pytest.approx(value, rel=rtol)
    penalty.add_gradient(model)
    assert [p.grad.data_ptr() for p in model.parameters()][: len(places)] == places
    for name, grad in gradients(model).items():
        torch.testing.assert_close(grad.cpu().double(), after[name], rtol=rtol, atol=rtol)


@pytest.mark.usefixtures("kernels")
def test_value_and_gradient(device: torch.device) -> None:
    torch.manual_seed(0)
    model, penalty = convnet().to(device), QuadraticPenalty(0.7)
    penalty.consolidate(model, random_omega(model))
    move(model)
    set_gradients(model)
    check(model, penalty)
    assert penalty.value(model).device.type == device.type
    assert {p.grad.device.type for p in model.parameters()} == {device.type}  # type: ignore[union-attr]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("on_device", [False, True])
def test_the_damped_gradient(on_device: bool, device: torch.device) -> None:
    model, penalty = learned()
    model.to(device)
    set_gradients(model)
    first, *others = model.parameters()
    rate = torch.tensor(0.3, device=device) if on_device else 0.3
    groups = [{"params": [first], "lr": 0.1}, {"params": others, "lr": rate}]
    _, after = expected(model, penalty)
    penalty.add_gradient(model, optimizer=torch.optim.SGD(groups))
    for name, grad in gradients(model).items():
        h = 2 * 0.7 * penalty.importance[name].cpu().double()
        damped = after[name] / (1 + (0.1 if name == "0.weight" else 0.3) * h)
        torch.testing.assert_close(grad.cpu().double(), damped, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.usefixtures("kernels")
def test_a_model_that_moves_after_consolidation(device: torch.device) -> None:
    model, penalty = learned()
    for there in (device, torch.device("cpu"), device):
        model.to(there)
        set_gradients(model)
        check(model, penalty)
        assert {anchor.device.type for anchor in penalty.anchors.values()} == {there.type}
    penalty.consolidate(model, {name: p.abs().cpu() for name, p in model.named_parameters()})
    assert {omega.device.type for omega in penalty.importance.values()} == {device.type}


@pytest.mark.usefixtures("kernels")
def test_a_layer_that_grows_on_the_device(device: torch.device) -> None:
    torch.manual_seed(0)
    model, penalty = nn.Sequential(nn.Linear(3, 2).double()), QuadraticPenalty(0.7)
    penalty.consolidate(model, random_omega(model))
    model[0] = grow(model[0], 4, 5)
    model.to(device)
    move(model)
    set_gradients(model)
    later = copy.copy(penalty)
    later.consolidate(model, {})
    assert later.importance["0.weight"].shape == (5, 4)
    assert later.importance["0.weight"].device.type == device.type
    check(model, penalty, rtol=1e-12)


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float16, 5e-3), (torch.bfloat16, 4e-2)])
def test_a_model_that_is_cast_in_part(
    dtype: torch.dtype, rtol: float, device: torch.device
) -> None:
    model, penalty = learned()
    model.to(device)
    model[3].to(dtype)
    set_gradients(model)
    check(model, penalty, rtol)
    assert model[3].weight.grad.dtype == dtype
    assert penalty.importance["3.weight"].dtype == torch.float32


@pytest.mark.usefixtures("kernels")
def test_memory_formats_that_differ(device: torch.device) -> None:
    model, penalty = learned()
    model.to(device, memory_format=torch.channels_last)
    set_gradients(model)
    model[0].weight.grad = torch.randn(8, 3, 3, 3, device=device)
    model[4].weight = nn.Parameter(torch.randn(5, 2, device=device).t())
    set_gradients(model[4])
    check(model, penalty)


@pytest.mark.usefixtures("kernels")
def test_a_gradient_is_made_where_there_is_none(device: torch.device) -> None:
    model, penalty = learned()
    model.to(device)
    model[0].weight.grad = model[4].bias.grad = None
    model[1].weight.requires_grad_(False)
    model[1].weight.grad = None
    _, after = expected(model, penalty)
    penalty.add_gradient(model, skip={"3.bias"})
    assert model[1].weight.grad is None
    for name in ("0.weight", "4.bias"):
        grad = gradients(model)[name].cpu().double()
        torch.testing.assert_close(grad, after[name], rtol=TOLERANCE, atol=TOLERANCE)


def test_a_state_that_is_read_elsewhere(device: torch.device, tmp_path: Path) -> None:
    model, penalty = learned()
    model.to(device)
    penalty.add_gradient(model)
    torch.save(penalty.state_dict(), tmp_path / "state.pt")
    read = QuadraticPenalty(0.7)
    read.load_state_dict(torch.load(tmp_path / "state.pt", map_location="cpu", weights_only=True))
    assert {omega.device.type for omega in read.importance.values()} == {"cpu"}
    twin = copy.deepcopy(model)
    check(twin, read)  # on the device, with what was read on the CPU
    check(model.cpu(), read)


@pytest.mark.gpu
def test_a_model_on_two_devices() -> None:
    model, penalty = learned()
    model[:2].cuda()
    set_gradients(model)
    check(model, penalty)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")  # of the profiler
def test_the_gradient_takes_few_kernels_and_little_memory() -> None:
    model = nn.Sequential(*(nn.Linear(64, 64) for _ in range(100)), nn.Linear(8192, 8192)).cuda()
    penalty = QuadraticPenalty(0.7)
    penalty.consolidate(model, random_omega(model))
    set_gradients(model)
    penalty.add_gradient(model)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with torch.profiler.profile() as profile:
        penalty.add_gradient(model)
        torch.cuda.synchronize()
    assert torch.cuda.max_memory_allocated() - before <= 4 * gradient.GROUP + 2**21
    launches = sum(e.count for e in profile.key_averages() if e.key.startswith("cudaLaunchKernel"))
    assert launches <= 40  # of 202 parameters
