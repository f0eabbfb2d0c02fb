"""Layers whose gradients keep their sign over the samples: l-MAS then takes one ordinary gradient."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from avalanche_mas.importance import local_importance
from avalanche_mas.importance.gradients.convolution import Convolution
from avalanche_mas.importance.gradients.convolved import Fold, Windows
from avalanche_mas.importance.gradients.persample import Outer, PerSample
from tests.importance.test_exact import relative_error
from tests.reference import slow_local_importance

examples = settings(max_examples=40, deadline=None)
sizes = st.integers(1, 4)


def absolute_sum(part: PerSample) -> Tensor:
    total = torch.zeros(part.shape, dtype=torch.float64)
    part.add_sum(torch.abs, total, 2**28)
    return total


def of_one_sign(*shape: int, dim: int) -> Tensor:
    """Random entries that are negative or positive throughout, depending on the place along ``dim``."""
    signs = (
        torch.randn(shape[dim]).sign().reshape([-1 if d == dim else 1 for d in range(len(shape))])
    )
    return torch.rand(shape, dtype=torch.float64) * signs


@examples
@given(sizes, sizes, sizes, st.integers(2, 5))
def test_products_of_one_sign(b: int, o: int, i: int, positions: int) -> None:
    left = of_one_sign(b, o, positions, dim=1)
    right = of_one_sign(b, positions, i, dim=2)
    part = Outer(left, right, torch.Size((o, i)))
    joined = part.joined()
    assert joined is not None
    assert joined.samples == 1
    torch.testing.assert_close(absolute_sum(joined), absolute_sum(part))
    expected = torch.einsum("bop,bpi->boi", left, right).abs().sum(0)
    torch.testing.assert_close(absolute_sum(joined), expected)


@examples
@given(st.sampled_from([Windows, Fold]), sizes, st.integers(1, 3), sizes, sizes, st.integers(1, 2))
def test_convolutions_of_one_sign(kind: Any, b: int, m: int, o: int, i: int, stride: int) -> None:
    conv = Convolution((3, 3), (stride, stride), (1, 1), (1, 1), 1)
    side = (5 - 1) // stride + 1
    delta, images = of_one_sign(b, m, o, side, side, dim=2), of_one_sign(b, m, i, 5, 5, dim=2)
    part = kind(delta, images, conv, torch.Size((o, i, 3, 3)))
    joined = part.joined()
    assert joined is not None
    torch.testing.assert_close(absolute_sum(joined), absolute_sum(part))


@pytest.mark.parametrize("mixed", ["left", "right"])
def test_mixed_signs_are_not_joined(mixed: str) -> None:
    factors = {"left": torch.ones(3, 2, 4), "right": torch.ones(3, 4, 5)}
    factors[mixed][1, 0, 0] = -1.0
    assert Outer(factors["left"], factors["right"], torch.Size((2, 5))).joined() is None
    conv = Convolution((1,), (1,), (0,), (1,), 1)
    delta, images = factors["left"][:, None], factors["right"].transpose(1, 2)[:, None]
    assert Fold(delta, images, conv, torch.Size((2, 5, 1))).joined() is None


def test_no_entries_are_not_joined() -> None:
    part = Outer(torch.ones(2, 3, 0), torch.ones(2, 0, 4), torch.Size((3, 4)))
    assert part.joined() is None


def test_local_importance_without_per_sample_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first layer, whose input has both signs, every layer takes one gradient of the batch."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(5 * 9, 3)),
    ).double()
    for norm in (model[1], model[4]):
        nn.init.normal_(norm.weight)  # scales of both signs
    images = torch.randn(6, 3, 7, 7, dtype=torch.float64)
    seen: list[int] = []
    add_sum = Windows.add_sum

    def watched(self: Windows, *args: Any) -> None:
        seen.append(self.samples)
        add_sum(self, *args)

    monkeypatch.setattr(Windows, "add_sum", watched)
    found = local_importance(model, [images])
    assert seen == [6]  # the first layer's weight alone
    assert relative_error(found, slow_local_importance(model, [images])) <= 1e-10
