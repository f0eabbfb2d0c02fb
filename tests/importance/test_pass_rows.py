"""Where samples lie in the rows of a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avalanche_mas.importance import global_importance, local_importance
from avalanche_mas.importance.gradients.layout import Layout, locate
from tests.importance.cases import Frames
from tests.importance.test_exact import relative_error


def test_rows_that_look_alike_are_not_ascribed_to_samples() -> None:
    alike, counted = torch.zeros(6, 2), torch.arange(12.0).view(6, 2)
    assert locate(alike, alike[:3], samples=2, k=0) is None
    assert locate(counted, counted[:3], samples=2, k=0) == Layout(0, 2, 3, outermost=True)
    assert locate(counted, counted[::2], samples=2, k=0) == Layout(0, 2, 3, outermost=False)


class Objects(nn.Module):
    """A network that processes the objects of all images together."""

    def __init__(self) -> None:
        super().__init__()
        self.roi, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        keep = x[:, :, 4] > 0
        rows = self.head(torch.tanh(self.roi(x[keep][:, :4])))
        return rows.new_zeros(len(x), 3).index_add(0, keep.nonzero()[:, 0], rows)


@pytest.mark.parametrize("measure", [global_importance, local_importance])
def test_one_row_a_sample_in_the_first_batch_only(measure: Any) -> None:
    torch.manual_seed(0)
    model, batches = Objects().double(), []
    for counts in ([1, 1, 1, 1], [3, 0, 0, 1]):
        x = torch.randn(4, 3, 5, dtype=torch.float64)
        for image, count in zip(x, counts, strict=True):
            image[:, 4] = torch.tensor([1.0] * count + [-1.0] * (3 - count))
        batches.append(x)
    truth = measure(model, torch.cat(batches).split(1))
    assert relative_error(measure(model, batches), truth) <= 1e-12


def calls_in_second_batch(model: nn.Module, first: Tensor, second: Tensor) -> int:
    """Return how often the network runs on the second batch and on parts of it."""
    calls = 0

    def forward(model: nn.Module, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return model(x)

    def batches() -> Iterator[Tensor]:
        nonlocal calls
        yield first
        calls = 0
        yield second

    global_importance(model, batches(), forward=forward)
    return calls


def test_where_samples_lie_is_found_out_again_only_if_it_may_have_changed() -> None:
    torch.manual_seed(0)
    frames, x = Frames(outermost=True), torch.randn(4, 3, 3, 9, 9)
    assert calls_in_second_batch(frames, x, x) == 1
    assert calls_in_second_batch(frames, x, x[:, :2]) == 5  # it ran once before that was seen
    objects = torch.rand(4, 3, 5)
    assert calls_in_second_batch(Objects(), objects, objects) == 4


@pytest.mark.parametrize("measure", [global_importance, local_importance])
def test_rows_by_lengths_that_python_reads(measure: Any) -> None:
    """Both batches have the same number of rows, but of other samples."""

    class Lengths(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.roi, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            lengths = x[:, 0, 0].long().tolist()
            rows = torch.cat([part[:n] for part, n in zip(x, lengths, strict=True)])
            parts = self.head(torch.tanh(self.roi(rows))).split(lengths)
            return torch.stack([part.sum(0) for part in parts])

    torch.manual_seed(0)
    model, batches = Lengths().double(), []
    for lengths in ([2.0, 2.0, 2.0, 2.0], [2.0, 1.0, 3.0, 2.0]):
        x = torch.randn(4, 3, 4, dtype=torch.float64)
        x[:, 0, 0] = torch.tensor(lengths)
        batches.append(x)
    truth = measure(model, torch.cat(batches).split(1))
    assert relative_error(measure(model, batches), truth) <= 1e-12
