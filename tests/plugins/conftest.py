"""Every kind of benchmark with a model for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from tests.plugins.cases import SCENARIOS, Benchmark


@pytest.fixture(params=list(SCENARIOS))
def scenario(request: pytest.FixtureRequest) -> tuple[Benchmark, nn.Module]:
    torch.manual_seed(0)
    benchmark, model = SCENARIOS[request.param]
    return benchmark(), model()


@pytest.fixture
def double() -> Iterator[None]:
    """Double precision in all that is made in the test."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
