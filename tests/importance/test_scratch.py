"""Memory for pieces that is used again on a CPU."""

from __future__ import annotations

import threading

import pytest
import torch

from avalanche_mas import devices
from avalanche_mas.importance.gradients.pieces import MAX_KEPT, scratch

LIKE = torch.empty(0)


def test_the_same_memory_for_a_purpose_and_dtype() -> None:
    first = scratch("a", (4, 5), LIKE)
    assert first.shape == (4, 5)
    assert scratch("a", (3, 2), LIKE).data_ptr() == first.data_ptr()
    assert scratch("b", (4, 5), LIKE).data_ptr() != first.data_ptr()
    assert scratch("a", (4, 5), LIKE.double()).dtype == torch.float64


def test_each_thread_has_its_own() -> None:
    seen = [scratch("a", (8,), LIKE)]
    thread = threading.Thread(target=lambda: seen.append(scratch("a", (8,), LIKE)))
    thread.start()
    thread.join()
    assert seen[0].data_ptr() != seen[1].data_ptr()


def test_large_pieces_are_not_kept() -> None:
    numbers = MAX_KEPT // 4 + 1
    first = scratch("a", (numbers,), LIKE)
    assert scratch("a", (numbers,), LIKE).data_ptr() != first.data_ptr()


def test_nothing_is_kept_on_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "CACHED", frozenset())
    first = scratch("a", (8,), LIKE)
    assert scratch("a", (8,), LIKE).data_ptr() != first.data_ptr()
