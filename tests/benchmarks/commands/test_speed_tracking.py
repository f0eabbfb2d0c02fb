"""The measurement of what tracking costs, on a small run: that it runs, not how much."""

import pytest
import torch

from avalanche_mas.streams import TaskBenchmark
from benchmarks.commands.speed import tracking
from benchmarks.commands.speed.setup import Setup


def test_quick_measurement_and_its_table(
    monkeypatch: pytest.MonkeyPatch, stream: TaskBenchmark
) -> None:
    monkeypatch.setattr(tracking, "stream_of", lambda *_: stream)
    said: list[str] = []
    (found,) = tracking.measure(Setup(torch.device("cpu"), True, said.append))
    assert said == ["2 tasks of 1 epochs, 1 rounds", *["not tracked", "tracked"] * 2]
    assert {name: len(runs) for name, runs in found["seconds"].items()} == {
        "not tracked": 1,
        "tracked": 1,
    }
    table = tracking.table(found)
    assert found["machine"]["threads"] == 1
    assert table.count("\n|") == 4
    assert f"| {found['tracked_over_plain']['median']:.2f} (" in table


def test_tracking_that_changes_the_numbers_is_told(
    monkeypatch: pytest.MonkeyPatch, stream: TaskBenchmark
) -> None:
    numbers = iter(range(4))
    monkeypatch.setattr(tracking, "stream_of", lambda *_: stream)
    monkeypatch.setattr(tracking, "run", lambda *_, **__: {"accuracy": [[next(numbers)]]})
    with pytest.raises(RuntimeError, match="accuracies of the runs differ"):
        next(tracking.measure(Setup(torch.device("cpu"), True, lambda _: None)))
