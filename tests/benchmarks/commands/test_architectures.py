"""The command that compares many networks with the loop: its truth, its rows, and what is recorded."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from benchmarks.__main__ import main
from benchmarks.commands import architectures as command
from benchmarks.commands.architectures import row
from benchmarks.commands.architectures.catalogue import FAMILIES, Case
from benchmarks.commands.architectures.loops import global_loop, local_loop
from benchmarks.commands.docs import RESULTS, content
from benchmarks.record.folders import versions
from benchmarks.report.formats import markdown
from benchmarks.report.pages import architectures as page
from tests.reference import slow_global_importance, slow_local_importance

RECORDED = RESULTS / "architectures"


class Residual(nn.Module):
    """Batch norm, a skip connection, a ReLU in place, and two ends side by side."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 2)
        self.norm.running_var.fill_(2.0)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.a(x)), inplace=True)
        y = F.relu(self.b(y) + y)
        scores: Tensor = self.head(y.mean((2, 3)))
        return scores


X = torch.randn(3, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def plain(model: nn.Module, batch: Tensor) -> Tensor:
    output: Tensor = model(batch)
    return output


def typed(*arguments: str) -> int:
    return main(["architectures", *arguments])


def recorded(folder: Path, family: str = "layers") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{family}.json").read_text(encoding="utf-8"))
    return found


def test_the_loops_are_those_of_the_tests() -> None:
    """Two independent truths agree, where the one of the tests applies."""
    model = Residual().eval()
    for loop, slow in ((global_loop, slow_global_importance), (local_loop, slow_local_importance)):
        for name, expected in slow(model, [X]).items():
            torch.testing.assert_close(loop(model, X, plain)[name], expected)


def test_the_local_loop_knows_ends_side_by_side_and_shared_layers() -> None:
    """w is used in two stretches, and its first use ends at both activations of its output."""

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.tensor([[2.0]], dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            h = F.linear(x, self.w)
            return F.linear(F.relu(h) + F.leaky_relu(h, 0.5), self.w)

    found = local_loop(Shared(), torch.tensor([[3.0]], dtype=torch.float64), plain)
    # ∂(wx)²/∂w = 36, twice for h > 0; then ∂(w y)²/∂w = 2 w y² = 4 · 12²
    assert found["w"].item() == pytest.approx(36 + 36 + 4 * 144)


def test_a_network_is_measured_in_both_forms() -> None:
    found = row.measure(Case(Residual().float(), X.float(), "5 px"))
    for form in page.FORMS:
        assert found[form]["truth"] == "loop"
        assert found[form]["without_rule"] == 0
        assert found[form]["float32"] < 1e-5
        assert found[form]["float64"] < 1e-12
    assert page.outcomes(found) == [page.EXACT, page.EXACT]


def test_gates_written_by_hand_are_compared_one_by_one() -> None:
    case = Case(nn.Linear(3, 2), torch.randn(3, 3), "3", lambda m, x: m(x) * torch.sigmoid(m(x)))
    shared = replace(case, forward=lambda m, x: (lambda h: h * torch.sigmoid(h))(m(x)))
    assert row.measure(shared)["local"]["truth"] == "one by one"


def test_a_wrong_result_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    right = row.ESTIMATES["global"]

    def wrong(model: nn.Module, batches: Any, **options: Any) -> Mapping[str, Tensor]:
        return {**right(model, batches, **options), "head.bias": torch.zeros(2)}

    monkeypatch.setitem(row.ESTIMATES, "global", wrong)
    found = row.measure(Case(Residual().float(), X.float(), "5 px"))
    assert found["global"]["float64"] == pytest.approx(1)
    assert page.outcomes(found) == [page.DIFFERS, page.EXACT]


def test_a_refusal_is_told_from_a_crash() -> None:
    def broken(_model: nn.Module, _batch: Tensor) -> Tensor:
        raise ValueError("no")

    random = Case(nn.Linear(3, 2), torch.randn(3, 3), "3", lambda m, x: m(x + torch.rand(3, 3)[:1]))
    found = row.measure(random)
    assert "twice on one sample" in found["global"]["refused"]
    assert page.outcomes(found) == [page.REFUSED] * 2
    found = row.measure(replace(random, forward=broken))
    assert found["global"] == {"crashed": "ValueError: no"}
    assert page.outcomes(found) == [page.CRASHED] * 2


def test_rows_are_measured_apart_and_not_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--families", "layers", "--output", str(tmp_path), "--networks")
    assert typed(*asked, "GRU") == 0
    gru = recorded(tmp_path)["networks"]["GRU"]
    assert page.outcomes(gru) == [page.GENERAL, page.REFUSED]
    assert "gru holds nonlinearities" in gru["local"]["refused"]
    assert gru["peak_mb"] > 0
    monkeypatch.setattr(command, "ROW", (sys.executable, "-c", "import os; os.abort()"))
    assert typed(*asked, "GRU", "LSTM") == 1
    networks = recorded(tmp_path)["networks"]
    assert networks["GRU"] == gru
    assert networks["LSTM"] == {"failed": "exit status -6: nothing said"}
    assert "crashed or differ: LSTM" in capsys.readouterr().err


def test_a_network_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "ROW", (sys.executable, "-c", "import time; time.sleep(99)"))
    asked = ("--families", "layers", "--networks", "RNN", "--seconds", "1")
    assert typed(*asked, "--output", str(tmp_path)) == 1
    assert recorded(tmp_path)["networks"]["RNN"] == {"failed": "not done after 1 s"}


def test_memory_is_limited() -> None:
    found = command.measure_apart("torchvision", "vgg11", 300, 1000)
    assert re.search("allocate memory|MemoryError", found["failed"])  # of torch, or of Python
    assert page.outcomes(found) == [page.CRASHED] * 2


@pytest.mark.parametrize("field", ["torch", "cpu", "code"])
def test_what_was_recorded_otherwise_is_not_continued(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = {**versions(1), "platform": "another"}
    content = {"versions": {**here, field: "another"}, "networks": {}}
    (tmp_path / "layers.json").write_text(json.dumps(content))
    asked = ("--families", "layers", "--networks", "GRU", "--output", str(tmp_path))
    assert typed(*asked) == 2
    said = capsys.readouterr().err
    assert f"recorded with {field} another, and here is {here[field]}" in said


def test_an_unknown_network_and_a_missing_library_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("--families", "layers", "--networks", "LSTN") == 2
    assert "no network 'LSTN' in layers; there are RNN" in capsys.readouterr().err
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    assert typed("--families", "timm") == 1
    assert "pip install '.[architectures]'" in capsys.readouterr().err


def outcome(**found: Any) -> dict[str, Any]:
    return {"truth": "loop", "float32": 1e-6, "float64": 1e-15, "without_rule": 0.0, **found}


def test_the_tables_count_group_and_explain() -> None:
    networks = {
        "net18": {"parameters": 11_000_000, "global": outcome(), "local": outcome(float32=2e-6)},
        "net34": {
            "parameters": 2_000_000,
            "global": outcome(float32=0.1, without_rule=0.004),
            "local": {"refused": "ValueError: the stretch of 'w' cannot be determined: gru; do so"},
        },
        "wide_net50_2": {"failed": "not done after 1 s"},
        "other": {"parameters": 600, "global": outcome(float64=1e-8), "local": outcome()},
    }
    found = {
        "versions": {"torch": "2.15.0", "torchvision": "0.3", "cpu": "C"},
        "networks": networks,
    }
    text = markdown(page.table("torchvision", found))
    assert (
        "| net (2) | 2.0 M to 11 M | exact; exact, < 1 % general path | 1e-01 / 1e-15 | exact; refused "
        "| 2e-06 / 1e-15 | loop |" in text
    )
    assert "| wide_net50_2 |" not in text
    assert "| wide_net | – | crashed | – / – | crashed | – / – | – |" in text
    assert "| other | 600 |" in text
    assert "l-MAS refused: gru (net34)." in text
    assert "Ω crashed: not done after 1 s (wide_net50_2)." in text
    networks["other"]["global"] = outcome(float32=1e-3, float64=1e-8)
    text = markdown(page.summary({"torchvision": found}))
    assert "| torchvision (torchvision 0.3) | 4 | 1 | 1 | 0 | 2 | 2 | 0 | 1 | 1 |" in text


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_recorded_is_whole_and_right(family: str) -> None:
    networks = recorded(RECORDED, family)["networks"]
    assert set(networks) >= set(FAMILIES[family].names())
    for name, found in networks.items():
        assert not {page.CRASHED, page.DIFFERS} & set(page.outcomes(found)), name
    assert all(reason in content(f"architectures-{family}") for reason in ("Ω", "Measured with"))


def test_all_of_torchvision_and_enough_of_the_others_are_recorded() -> None:
    assert set(models.list_models(module=models)) == set(
        recorded(RECORDED, "torchvision")["networks"]
    )
    assert all(
        len(recorded(RECORDED, family)["networks"]) >= 25 for family in ("timm", "transformers")
    )
