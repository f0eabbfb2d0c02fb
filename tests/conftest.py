"""Tests on a GPU: `pytest -m gpu` runs those that need one. Tests of Ray come last."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # On Python 3.13.0, forks crashed in a process in which Ray and training had run before.
    items.sort(key=lambda item: item.path.name == "test_engines.py")
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA GPU, and PyTorch finds none"))


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """The CPU, where the test is tested, and a GPU, which multiplies float32 as such meanwhile."""
    if request.param == "cpu":
        yield torch.device("cpu")
        return
    flags = (torch.backends.cuda.matmul, torch.backends.cudnn)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Please use the new API settings")  # from torch 2.9 on
        before = [flag.allow_tf32 for flag in flags]
        for flag in flags:
            flag.allow_tf32 = False
        yield torch.device("cuda", 0)
        for flag, allowed in zip(flags, before, strict=True):
            flag.allow_tf32 = allowed
