"""The importance pass beside others: ratios, memory in a process apart, tables and the figure."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest
import torch

from benchmarks.commands.speed import contenders, importance, peers
from benchmarks.commands.speed.apart import apart, growth
from benchmarks.commands.speed.setup import Setup
from benchmarks.report.figures.drawing import render

MEGABYTES = 1e6


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], None]) -> dict[str, Any]:
    """A row of ways that take 1, 2 and 3 seconds per sample; the loop is timed on 4 of 12 samples."""

    def takes(seconds: float, first: float = 0.0) -> Callable[..., Callable[[], None]]:
        return lambda _, *batches: lambda: pause(first + seconds * sum(map(len, batches)))

    monkeypatch.setattr(importance, "BATCHES", {"cpu": {"mlp": (12, 4)}})
    ways = {"plain": takes(1.0), "exact": takes(2.0, 40.0), "loop": takes(3.0), "local": takes(1.0)}
    monkeypatch.setattr(importance, "WAYS", ways)
    monkeypatch.setattr(peers, "PEERS", {})
    monkeypatch.setattr(importance, "_peaks", lambda *_: {"plain": 3e6, "exact": 4.2e6})
    return importance._measure("mlp", 12, Setup(torch.device("cpu"), progress=lambda _: None))


def found(*rows: dict[str, Any]) -> dict[str, Any]:
    named = {f"{row['network']}, {row['samples']}": row for row in rows}
    return {"flop_per_second": 1e9, "networks": named}


def test_ratios_are_for_the_whole_batch(row: dict[str, Any]) -> None:
    assert row["scale"] == {"plain": 1, "exact": 1, "loop": 3, "local": 1}
    exact = 2.0 + 40.0 / importance.MANY
    assert row["over_exact"]["plain"]["median"] == pytest.approx(1 / exact)
    assert row["over_exact"]["loop"]["median"] == pytest.approx(3 / exact)
    assert row["large"]


def test_what_a_pass_does_once_is_spread_over_many_samples(row: dict[str, Any]) -> None:
    assert row["seconds"].keys() == {"plain", "exact", "loop", "local"}
    assert row["seconds"]["exact"] == pytest.approx([12 * (2.0 + 40.0 / importance.MANY)] * 3)
    assert row["checks"]["exact"] == pytest.approx(40.0 / (2.0 * importance.MANY + 40.0))
    assert row["checks"]["local"] == pytest.approx(0)
    assert "| 2.0 % |" in contenders.times(found(row))
    del row["checks"]
    assert "checks" not in contenders.times(found(row))  # an older record


def test_per_sample_gradients_are_timed_on_few_samples_and_held_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, images = Setup(torch.device("cpu")).network("mlp", 50)
    monkeypatch.setattr(peers, "PEERS", {"vmap": peers.vmap_grad})
    assert len(importance._some("vmap", model, images)) == importance.FEW
    assert len(importance._some("vmap", model, images, 50)) == 50
    monkeypatch.setattr(peers, "BUDGET", {"cpu": 3 * 4 * 270_000})
    assert peers.chunk(model) == 3
    assert len(importance._some("vmap", model, images, 50)) == 3
    assert len(importance._some("exact", model, images)) == 50


def test_the_tables_show_every_way_and_every_refusal(row: dict[str, Any]) -> None:
    refused = {"vmap": "ValueError: no | here", "opacus": "long " * 30}
    small = {**row, "samples": 4, "large": False, "left_out": refused}
    both = found({**row, "left_out": {"vmap": "ValueError: no | here"}}, small)
    assert contenders.table(both).count("\n") == 2
    assert "| mlp | 12 |" in contenders.table(both)
    times = contenders.times(both)
    assert times.count("\n") == 3
    assert "forward and backward / exact | loop of one / exact |" in times
    assert "Opacus" not in times
    assert "| mlp | 12 | 4 | 3 |" in contenders.memory(both)
    table = contenders.refused(both).splitlines()
    assert table[-1] == r"| vmap | mlp | ValueError: no \| here |"
    assert len(table) == 4
    assert table[2].endswith("… |")


def test_the_figure_names_networks_batches_and_ways(row: dict[str, Any]) -> None:
    drawn = contenders.figure(found(row, {**row, "samples": 4, "large": False}))
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == ["mlp\n12 / 4"]
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.texts] == [
        "forward and backward",
        "loop of one",
        "l-MAS",
    ]
    (picture,) = render(lambda: drawn, "png")
    assert picture.startswith(b"\x89PNG")


def holds(megabytes: int) -> Callable[[], object]:
    kept = torch.ones(int(50 * MEGABYTES) // 4)
    return lambda: (torch.ones(int(megabytes * MEGABYTES) // 4), kept)


def test_memory_is_what_the_call_takes_alone() -> None:
    assert apart(growth, holds, 64) == pytest.approx(64 * MEGABYTES, rel=0.1)
    assert apart(growth, holds, 16) == pytest.approx(16 * MEGABYTES, rel=0.2)


def test_a_process_that_is_killed_is_an_error() -> None:
    with pytest.raises(BrokenProcessPool):
        apart(os.abort)
