"""The measurement of the penalty's speed, on a small network: that it runs, not how fast."""

import json
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torchvision import models as networks

from benchmarks.commands.docs import RESULTS
from benchmarks.commands.speed import penalty
from benchmarks.commands.speed.setup import Setup

BOTH = {"add_gradient", "foreach", "compiled", "bare loop", "small pieces", "own threads"}
CONTENDERS = {"avalanche", "loss form", *BOTH, *(f"damped {name}" for name in BOTH)}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network that takes seconds to compile."""

    def network(num_classes: int) -> nn.Module:
        return nn.Sequential(nn.Linear(30, 20), nn.Linear(20, num_classes))

    monkeypatch.setattr(penalty, "NETWORKS", {"quick": ["small"]})
    monkeypatch.setattr(networks, "small", network, raising=False)
    yield
    torch.set_flush_denormal(False)  # torch 2.4 compiles with -ffast-math, which turns it on


@pytest.mark.usefixtures("small")
def test_quick_measurement_and_its_table() -> None:
    said: list[str] = []
    (found,) = penalty.measure(Setup(torch.device("cpu"), True, said.append))
    assert said == ["small"]
    assert found["failed"] == {}
    row = found["networks"]["small"]
    assert row["parameters"] == 31 * 20 + 21 * 102
    assert row["seconds"].keys() == CONTENDERS | {"memory", "copy"}
    table = penalty.table(found)
    assert table.count("\n|") == 2 + len(CONTENDERS)
    assert f"{1e-9 * row['bytes_per_second']:.1f} GB/s" in table


@pytest.mark.usefixtures("small")
def test_forms_that_disagree_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalty, "_foreach", lambda gradients, *_: gradients[0].add_(1))
    (found,) = penalty.measure(Setup(torch.device("cpu"), True, lambda _: None))
    assert "'foreach' and 'loss form' give different gradients" in found["failed"]["small"]


def test_what_was_recorded_is_shown() -> None:
    found = json.loads((RESULTS / "speed" / "penalty.json").read_text(encoding="utf-8"))
    assert penalty.table(found).startswith("alexnet, 57.4 M parameters")
