"""The kernels on a GPU, for layers of known networks, against gradients in float64."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from avalanche_mas.importance.gradients.convolution import Convolution
from avalanche_mas.importance.kernels.launch import (
    add_convolution_magnitudes,
    add_product_magnitudes,
    available,
)
from avalanche_mas.importance.kernels.plans import Precision

pytestmark = pytest.mark.gpu

SAMPLES = 6
MULTIPLIED: list[tuple[torch.dtype, Precision, float]] = [
    (torch.float32, "ieee", 2e-5),
    (torch.float32, "tf32x3", 2e-5),
    (torch.float32, "tf32", 5e-3),
    (torch.bfloat16, "tf32", 2e-5),  # the factors are exact, and sums are in float32
    (torch.float16, "tf32", 2e-5),
]


@dataclass(frozen=True)
class Layer:
    name: str
    channels: int
    outputs: int
    size: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1


LAYERS = [
    Layer("ResNet's first", 3, 64, 224, 7, 2, 3),
    Layer("ResNet 3×3, 56", 64, 64, 56, 3, 1, 1),
    Layer("ResNet 3×3, 7", 512, 512, 7, 3, 1, 1),
    Layer("ResNet 1×1, 14", 1024, 256, 14, 1),
    Layer("ResNet's shortcut", 256, 512, 56, 1, 2),
    Layer("ResNeXt 3×3", 128, 128, 56, 3, 1, 1, groups=32),
    Layer("AlexNet's first", 3, 64, 224, 11, 4, 2),
    Layer("AlexNet 5×5", 64, 192, 27, 5, 1, 2),
    Layer("ViT's patches", 3, 768, 224, 16, 16),
    Layer("MobileNet, depthwise", 96, 96, 56, 3, 2, 1, groups=96),
    Layer("ConvNeXt, depthwise", 96, 96, 56, 7, 1, 3, groups=96),
]


def assert_close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    assert ((found - expected).abs().max() / expected.abs().max()).item() <= tolerance


CASES = [
    *(
        (layer, multiplied, multiplied[0].itemsize == 2)
        for layer in LAYERS
        for multiplied in MULTIPLIED[2:4]
    ),
    *((layer, multiplied, True) for layer in (LAYERS[1], LAYERS[-1]) for multiplied in MULTIPLIED),
]


@pytest.mark.parametrize(
    ("layer", "multiplied", "last"),
    CASES,
    ids=lambda value: value.name if isinstance(value, Layer) else str(value),
)
def test_convolutions(
    layer: Layer, multiplied: tuple[torch.dtype, Precision, float], last: bool
) -> None:
    dtype, precision, tolerance = multiplied
    torch.manual_seed(0)
    axes = [(n, n) for n in (layer.kernel, layer.stride, layer.padding, 1)]
    conv = Convolution(*axes, layer.groups)
    positions = (layer.size + 2 * layer.padding - layer.kernel) // layer.stride + 1
    layout = torch.channels_last if last else torch.contiguous_format
    delta = torch.randn(SAMPLES, layer.outputs, positions, positions, device="cuda", dtype=dtype)
    images = torch.randn(
        SAMPLES, layer.channels, layer.size, layer.size, device="cuda", dtype=dtype
    )
    delta, images = (t.to(memory_format=layout).unsqueeze(1) for t in (delta, images))
    shape = torch.Size((layer.outputs, layer.channels // layer.groups, layer.kernel, layer.kernel))
    total = torch.zeros(shape, device="cuda")
    assert available(total, delta, images)
    add_convolution_magnitudes(total, delta, images, conv, square=False, precision=precision)
    expected = torch.zeros(shape, device="cuda", dtype=torch.float64)
    for k in range(SAMPLES):
        one = slice(k, k + 1)
        expected += conv.weight_gradients(delta[one].double(), images[one].double(), shape)[0].abs()
    assert_close(total, expected, tolerance)


@pytest.mark.parametrize(
    ("outputs", "inputs", "positions"), [(3072, 768, 197), (1000, 384, 49), (64, 48, 5)]
)
@pytest.mark.parametrize(("dtype", "precision", "tolerance"), MULTIPLIED)
@pytest.mark.parametrize("square", [False, True])
def test_products(
    outputs: int,
    inputs: int,
    positions: int,
    dtype: torch.dtype,
    precision: Precision,
    tolerance: float,
    square: bool,
) -> None:
    torch.manual_seed(0)
    left = torch.randn(SAMPLES, positions, outputs, device="cuda", dtype=dtype).transpose(1, 2)
    right = torch.randn(SAMPLES, positions, inputs, device="cuda", dtype=dtype)
    total = torch.zeros(outputs, inputs, device="cuda")
    add_product_magnitudes(total, left, right, square=square, precision=precision)
    gradients = left.double() @ right.double()
    expected = (gradients.square() if square else gradients.abs()).sum(0)
    assert_close(total, expected, 2 * tolerance)


def test_nothing_of_a_samples_gradient_is_written() -> None:
    left, right = torch.randn(64, 1024, 64, device="cuda"), torch.randn(64, 64, 1024, device="cuda")
    total = torch.zeros(1024, 1024, device="cuda")
    add_product_magnitudes(total, left, right, square=False, precision="tf32")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    add_product_magnitudes(total, left, right, square=False, precision="tf32", max_bytes=0)
    assert torch.cuda.max_memory_allocated() == before


def test_every_launch_gives_the_same_bits() -> None:
    left, right = torch.randn(64, 256, 50, device="cuda"), torch.randn(64, 50, 256, device="cuda")
    sums = [torch.zeros(256, 256, device="cuda") for _ in range(3)]
    for total in sums:
        add_product_magnitudes(total, left, right, square=False, precision="tf32")
    assert torch.equal(sums[0], sums[1])
    assert torch.equal(sums[0], sums[2])
