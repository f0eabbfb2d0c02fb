"""The suite of scale: what it leaves, its exponents, its table and its figure."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.commands.speed import growth, main, scale
from benchmarks.record.files import write_json
from benchmarks.report.figures.drawing import render

CPU = torch.device("cpu")
SMALL = scale.Point(8, 3, samples=2)
PARAMETERS = 3 * (8 * 8 + 8)


def point(samples: int, seconds: float, tasks: int = 1) -> dict[str, Any]:
    times = {what: [seconds] for what in ("importance", "penalty", "step", "plain")}
    peaks = {"plain": 2e6, "importance": 2.5e6, "training": None}
    sizes = {"parameters": 250_000, "model_bytes": 1e6, "held_bytes": 2e6}
    return {"samples": samples, "tasks": tasks, **sizes, "seconds": times, "peak_bytes": peaks}


def test_every_series_is_measured_at_every_point(tmp_path: Path) -> None:
    assert main(["scale", "--quick", "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "scale.json").read_text(encoding="utf-8"))
    assert found["failed"] == {}
    assert {name: len(rows) for name, rows in found["series"].items()} == {
        name: len(points) for name, points in scale.SERIES["quick"].items()
    }
    for rows in found["series"].values():
        for row in rows:
            assert {len(own) for own in row["seconds"].values()} == {2}
            assert row["held_bytes"] == 2 * row["model_bytes"]
            assert row["peak_bytes"].keys() == {"plain", "importance", "training"}
    table = growth.table(found)
    assert table.count("Exponents of time over") == 4
    (picture,) = render(lambda: growth.figure(found), "png")
    assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize("power", [0, 1, 2])
def test_an_exponent_is_that_of_the_larger_half(power: int) -> None:
    rows = [point(n, 1e-3 * n**power) for n in (4, 16, 64)]
    disturbed = [point(1, 9.0), *rows]
    assert growth.exponent("samples", "importance", disturbed) == pytest.approx(power)


def test_memory_is_in_multiples_of_the_model() -> None:
    table = growth.table({"series": {"samples": [point(16, 0.01), point(32, 0.02)]}})
    assert "| 16 | 10.0 | 10.0 | 1.00 (1.00 to 1.00) | 2.00 | 2.00 | 2.50 | – |" in table
    assert table.endswith("(0: flat, 1: proportional): pass 1.00, penalty 1.00.")


def test_the_work_is_that_of_the_tasks_learned() -> None:
    learner = scale.Learner(scale.Point(8, 2, samples=40), CPU)
    assert [len(batch) for batch in learner.batches] == [16, 16, 8]
    learner.learn(3)
    assert "tasks=3" in learner.penalty.description()
    assert learner.importance().samples == 40
    before = [parameter.clone() for parameter in learner.model.parameters()]
    learner.forward_and_backward()
    gradients = [parameter.grad.clone() for parameter in learner.model.parameters()]
    learner.step(penalised=False)
    for parameter, old, gradient in zip(learner.model.parameters(), before, gradients, strict=True):
        torch.testing.assert_close(parameter.detach(), old - 1e-4 * gradient)


@pytest.mark.parametrize("transformer", [False, True])
def test_a_deep_network_keeps_its_signal(transformer: bool) -> None:
    learner = scale.Learner(scale.Point(64, 15, transformer=transformer), CPU)
    (x, *_) = learner.batches
    assert 0.1 < float(learner.model(x).detach().std() / x.std()) < 10


def test_the_largest_network_goes_on_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "LARGEST", SMALL)
    monkeypatch.setattr(scale, "apart", lambda call, *arguments: call(*arguments))
    (row,) = scale._large_from_file()
    stages = ["importance", "saving", "loading", "consolidation", "training", "step", "penalty"]
    assert sorted(row["seconds"]) == sorted(stages) == sorted(row["peak_bytes"])
    assert row["held_bytes"] == 2 * row["model_bytes"] == 8 * PARAMETERS
    (row,) = scale._large(CPU)
    assert list(row["seconds"]) == [s for s in stages if s not in ("saving", "loading")]
    (half,) = scale._large(CPU, torch.bfloat16)
    assert half["held_bytes"] == 6 * PARAMETERS
    name = "10⁹ parameters"
    table = growth.table({"series": {name: [row]}})
    assert table.startswith(f"{name}:\n\n0.00 · 10⁹ parameters, 0.0 GB, 2 samples")
    assert table.count("\n| ") == 1 + len(row["seconds"])


def test_a_peak_that_the_system_does_not_tell_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scale, "LARGEST", SMALL)
    monkeypatch.setattr(scale, "apart", lambda call, *arguments: call(*arguments))
    monkeypatch.setattr(scale, "peak_bytes", lambda _: math.nan)
    rows = scale._large(CPU)
    write_json(tmp_path / "scale.json", rows)
    assert rows[0]["peak_bytes"]["step"] is None
    assert "| step | 0.0 | – |" in growth.table({"series": {"largest": rows}})


def test_too_small_a_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "ROOM", math.inf)
    with pytest.raises(MemoryError, match="GB of memory are free, and inf GB are needed"):
        scale._check_room(CPU)
