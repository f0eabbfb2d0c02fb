"""Which way each parameter's sum is added, in words."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.importance import ways

PRODUCT, EACH = "one product for all samples", "a product for each sample"
WINDOWS = "a product with the kernel's windows for each sample"
OWN, HELD = "a convolution's own gradient for each sample", "held for all samples"


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.point = nn.Conv2d(4, 4, 1, bias=False)
        self.depth = nn.Conv2d(4, 4, 3, groups=4, stride=2, bias=False)
        self.few = nn.Conv2d(4, 5, 3, bias=False)
        self.scale = nn.Parameter(torch.rand(5, 5))
        self.last = nn.Linear(5, 2)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.wide(x)))
        x = self.few(self.depth(self.point(x))).mean((2, 3))
        output: Tensor = self.last(torch.einsum("bi,ij->bj", x, self.scale))
        return output


@pytest.fixture
def mixed() -> Mixed:
    torch.manual_seed(0)
    return Mixed()


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU each layer tries its ways")
def test_the_way_of_every_layer_that_is_used(mixed: Mixed) -> None:
    found = ways(mixed, torch.randn(3, 3, 16, 16))
    assert found == {
        "wide.weight": OWN,
        "norm.weight": HELD,
        "norm.bias": HELD,
        "point.weight": EACH,
        "depth.weight": OWN,
        "few.weight": WINDOWS,
        "scale": "general path",
        "last.weight": PRODUCT,
        "last.bias": HELD,
    }
    assert list(found) == [name for name, _ in mixed.named_parameters() if name in found]


def test_the_ways_of_the_local_form() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    )
    found = ways(model, torch.randn(3, 3, 6, 6), form="local", parameters=["0.weight", "2.weight"])
    assert found == {"0.weight": WINDOWS, "2.weight": "one gradient for all samples"}


def test_some_parameters_only(mixed: Mixed) -> None:
    assert list(ways(mixed, torch.randn(2, 3, 16, 16), parameters=["last.bias"])) == ["last.bias"]
