"""The Triton kernel: interpreted on the CPU, compiled without a GPU, and beside torch on one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from avalanche_mas import devices
from avalanche_mas.penalty import QuadraticPenalty, fused, gradient
from avalanche_mas.penalty.rates import Held, Rate
from tests.penalty.cases import convnet, gradients, move, random_omega, set_gradients

KERNEL = "avalanche_mas.penalty.kernel"
ROOT = Path(__file__).parents[2]
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@pytest.fixture(autouse=True)
def working(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "_broken", False)


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kernel runs on the CPU, by Triton's interpreter."""
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_INTERPRET", "1")  # read where the kernel is decorated
    monkeypatch.delitem(sys.modules, KERNEL, raising=False)
    monkeypatch.setattr(fused, "DEVICES", frozenset({"cpu"}))
    monkeypatch.setattr(devices, "CACHED", frozenset())
    yield
    sys.modules.pop(KERNEL, None)


def drawn(shape: list[int], dtypes: list[torch.dtype], offset: int = 0) -> tuple[Tensor, ...]:
    """p.grad, θ, θ* and Ω, each `offset` elements behind an aligned address."""

    def one(dtype: torch.dtype) -> Tensor:
        count = torch.Size(shape).numel()
        return torch.randn(count + offset).to(dtype)[offset:].view(shape)

    *others, omega = map(one, dtypes)
    return (*others, omega.abs())


def copied(held: list[Held]) -> list[Held]:
    """The same, with gradients of their own."""
    return [Held((h.tensors[0].clone(), *h.tensors[1:]), h.rate) for h in held]


def add_in_torch(held: list[Held], factor: float) -> None:
    for each in held:
        gradient._add_together([each], factor)


def assert_same_gradients(actual: list[Held], expected: list[Held]) -> None:
    for one, other in zip(actual, expected, strict=True):
        eps = torch.finfo(one.tensors[0].dtype).eps
        torch.testing.assert_close(one.tensors[0], other.tensors[0], rtol=4 * eps, atol=32 * eps)


RATES = st.sampled_from([None, 0.3, 1, torch.tensor(0.3), torch.tensor(0.1, dtype=torch.float64)])


@pytest.mark.usefixtures("interpreted")
def test_any_tensors_dtypes_rates_and_addresses() -> None:
    @settings(max_examples=40, deadline=None)
    @given(
        shapes=st.lists(
            st.lists(st.integers(0, 40), max_size=3) | st.just([1024]) | st.just([2, 1025]),
            min_size=1,
            max_size=4,
        ),
        dtypes=st.lists(st.sampled_from(DTYPES), min_size=4, max_size=4),
        offset=st.integers(0, 3),
        rates=st.lists(RATES, min_size=1, max_size=2),
        factor=st.just(0.0) | st.floats(1e-30, 100),  # Triton 3.0 takes tiny ones as float64
    )
    def check(
        shapes: list[list[int]],
        dtypes: list[torch.dtype],
        offset: int,
        rates: list[Rate | None],
        factor: float,
    ) -> None:
        held = [
            Held(drawn(shape, dtypes, offset), rates[i % len(rates)])
            for i, shape in enumerate(shapes)
        ]
        expected = copied(held)
        add_in_torch(expected, factor)
        assert fused.add_gradients(held, factor) == []
        assert_same_gradients(held, expected)

    check()


@pytest.mark.usefixtures("interpreted")
def test_tensors_with_gaps_and_other_dtypes_are_left_alone() -> None:
    wide = [torch.float64, *[torch.float32] * 3]
    transposed = tuple(t.t() for t in drawn([3, 5], [torch.float32] * 4))
    half = (*drawn([4, 4], [torch.float32] * 3), torch.rand(4, 4).t())
    fits = Held(drawn([7], [torch.float32] * 4))
    others = [Held(drawn([5], wide)), Held(transposed), Held(half)]
    before = [each.tensors[0].clone() for each in others]
    assert fused.add_gradients([others[0], fits, *others[1:]], 2.0) == others
    assert all(torch.equal(h.tensors[0], b) for h, b in zip(others, before, strict=True))


@pytest.mark.usefixtures("interpreted")
def test_another_default_device_changes_nothing() -> None:
    held = [Held(drawn([1500], [torch.float32] * 4), 0.1)]
    expected = copied(held)
    fused.add_gradients(expected, 2.0)
    fused._blocks.cache_clear()
    with torch.device("meta"):
        assert fused.add_gradients(held, 2.0) == []
    assert_same_gradients(held, expected)


@pytest.mark.usefixtures("interpreted")
def test_channels_last_fits() -> None:
    tensors = drawn([4, 3, 5, 5], [torch.float32] * 4)
    held = [Held(tuple(t.to(memory_format=torch.channels_last) for t in tensors), 0.2)]
    expected = copied([Held(tensors, 0.2)])
    add_in_torch(expected, 3.0)
    assert fused.add_gradients(held, 3.0) == []
    assert_same_gradients(held, expected)


@pytest.mark.usefixtures("interpreted")
def test_one_launch_for_all_parameters_of_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    launches, launch = [], fused._launch
    monkeypatch.setattr(
        fused,
        "_launch",
        lambda kind, group, factor: launches.append(len(group)) or launch(kind, group, factor),
    )
    float32, narrow = [torch.float32] * 4, [torch.bfloat16] * 2 + [torch.float32] * 2
    held = [Held(drawn([4 * i + 4], narrow if i % 2 else float32), 0.1) for i in range(40)]
    fused.add_gradients(held, 1.0)
    assert launches == [20, 20]


@pytest.mark.usefixtures("interpreted")
def test_a_model_whose_gradients_are_made_anew_for_every_step() -> None:
    torch.manual_seed(0)
    model, penalty = convnet(), QuadraticPenalty(0.7)
    penalty.consolidate(model, random_omega(model))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(3):
        move(model)
        set_gradients(model)
        before = gradients(model)
        penalty.add_gradient(model, optimizer=optimizer)
        for name, p in model.named_parameters():
            h = 1.4 * penalty.importance[name]
            expected = (before[name] + h * (p.detach() - penalty.anchors[name])) / (1 + 0.2 * h)
            torch.testing.assert_close(p.grad, expected, rtol=1e-6, atol=1e-6)


def a_step(model: nn.Module, penalty: QuadraticPenalty) -> None:
    """A step whose gradient is right, whoever computes it."""
    set_gradients(model)
    before = gradients(model)
    penalty.add_gradient(model)
    for name, p in model.named_parameters():
        added = 1.4 * penalty.importance[name] * (p.detach() - penalty.anchors[name])
        torch.testing.assert_close(p.grad, before[name] + added)


def moved_convnet() -> tuple[nn.Module, QuadraticPenalty]:
    model, penalty = convnet(), QuadraticPenalty(0.7)
    penalty.consolidate(model, random_omega(model))
    move(model)
    return model, penalty


@pytest.mark.usefixtures("interpreted")
def test_a_kernel_that_fails_is_said_once_and_torch_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no C compiler")

    monkeypatch.setattr(fused, "_launch", fail)
    model, penalty = moved_convnet()
    model[3].bfloat16()  # a launch of its own
    with pytest.warns(RuntimeWarning, match=r"OSError: no C compiler.*torch's own kernels") as said:
        penalty.add_gradient(model)
    assert len(said) == 1
    model.float()
    a_step(model, penalty)  # without a warning, which would be an error


@pytest.mark.usefixtures("interpreted")
def test_without_triton_torch_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    model, penalty = moved_convnet()
    a_step(model, penalty)
    assert fused._broken


@pytest.mark.parametrize("capability", [80, 90])
def test_it_compiles_and_full_blocks_move_16_bytes_at_a_time(
    capability: int, tmp_path: Path
) -> None:
    pytest.importorskip("triton", "3.3")  # earlier sources name their constants differently
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.penalty.compiled", str(capability)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    per_thread = 1024 // (32 * 4) // 4  # in four warps, four elements at a time
    assert json.loads(ran.stdout) == {
        "ld.global.v4.b32": 4 * per_thread,
        "st.global.v4.b32": per_thread,
    }


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rate", [None, 0.3, torch.tensor(0.3)])
def test_the_kernel_is_torch_s_on_a_gpu(dtype: torch.dtype, rate: Rate | None) -> None:
    pytest.importorskip("triton")
    rate = rate.cuda() if isinstance(rate, Tensor) else rate
    dtypes = [dtype, dtype, torch.float32, torch.float32]
    shapes = [[1], [1000], [64, 3, 11, 11], [4096, 2048], [0], [8192]]
    held = [
        Held(tuple(t.cuda()[offset:] for t in drawn(shape, dtypes)), rate)
        for shape in shapes
        for offset in (0, 1)
    ]
    for _ in range(2):  # the second time with the tables of the first
        expected = copied(held)
        add_in_torch(expected, 2.0)
        assert fused.add_gradients(held, 2.0) == []
        assert_same_gradients(held, expected)


@pytest.mark.gpu
def test_a_cuda_graph_captures_the_gradient() -> None:
    model, penalty = nn.Linear(64, 64).cuda(), QuadraticPenalty(0.7)
    penalty.consolidate(model, random_omega(model))
    move(model)
    set_gradients(model)
    before = gradients(model)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        penalty.add_gradient(model)
    graph.replay()
    for name, p in model.named_parameters():
        added = 1.4 * penalty.importance[name] * (p.detach() - penalty.anchors[name])
        torch.testing.assert_close(p.grad, before[name] + added)
