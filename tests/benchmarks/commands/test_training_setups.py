"""Training set-ups in Avalanche beside the loop by hand."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from avalanche_mas.plugins import FORMS, MASPlugin
from benchmarks.commands import setups
from benchmarks.commands.setups import by_hand, compared, difference, orders, with_avalanche
from benchmarks.commands.setups.catalogue import CASES, Case
from benchmarks.commands.setups.hand import Mas
from benchmarks.report.formats import markdown
from benchmarks.report.pages import setups as page

NAMED = {case.name: case for case in CASES}
MANY = [name for name, case in NAMED.items() if len(case.parts) > 3]
RECORDED: list[dict[str, Any]] = json.loads(setups.RESULT.read_text(encoding="utf-8"))["rows"]


@pytest.fixture(autouse=True)
def double() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [name for name in NAMED if name not in MANY])
def test_a_set_up_is_what_the_loop_by_hand_gives(name: str, form: str) -> None:
    row = compared(NAMED[name], form)
    assert not page.is_wrong(row), row


@pytest.mark.parametrize("name", MANY)
def test_the_order_of_plugins_is_that_of_the_parts(name: str) -> None:
    row = compared(NAMED[name], "damped")
    assert row["orders"] == 24
    assert not page.is_wrong(row), row


def test_every_set_up_is_recorded_and_none_is_wrong() -> None:
    expected = [(case.name, form) for case in CASES for form in FORMS]
    assert [(row["setup"], row["form"]) for row in RECORDED] == expected
    assert [row for row in RECORDED if page.is_wrong(row)] == []
    for row in RECORDED:
        case = NAMED[row["setup"]]
        assert row["tolerance"] == case.tolerance
        assert row["orders"] == len(list(orders(case, row["form"])))
        assert ("refused" in row) == (row["form"] in case.refused)


def test_a_penalty_left_out_would_show_in_every_row() -> None:
    for row in RECORDED:
        assert "refused" in row or row["penalty"] > 10 * row["tolerance"]


@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_strength_is_noticed(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = with_avalanche.plugin_of

    def doubled(part: Any, optimizer: Any) -> Any:
        twice = replace(part, strength=2 * part.strength) if isinstance(part, Mas) else part
        return right(twice, optimizer)

    monkeypatch.setattr(with_avalanche, "plugin_of", doubled)
    row = compared(NAMED["SGD"], form)
    assert page.is_wrong(row)
    assert row["parameters"] > 0.01


def test_a_wrong_importance_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def batchwise(part: Any, _: Any) -> Any:
        return MASPlugin(part.strength, accumulation="sum", granularity="batch")

    monkeypatch.setattr(with_avalanche, "plugin_of", batchwise)
    assert compared(NAMED["SGD"], "damped")["importance"] > 0.01


def test_the_forms_differ_where_clipping_acts_on_the_task_alone_or_on_both() -> None:
    case = NAMED["Clipping by norm"]
    damped, gradient, loss = (by_hand(case, next(orders(case, f))).parameters for f in FORMS)
    assert difference(gradient, loss) > 0.01
    assert difference(damped, gradient) > 1e-4


@pytest.mark.parametrize("case", [c for c in CASES if len(c.parts) == 2], ids=lambda c: c.name)
def test_what_a_set_up_adds_makes_a_difference(case: Case) -> None:
    (parts, *_) = orders(case, "damped")
    alone = by_hand(case, [part for part in parts if part == Mas("damped")])
    assert difference(alone.parameters, by_hand(case, parts).parameters) > 0.01


def test_the_command_records_and_tells_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, output = NAMED["Accumulation"], tmp_path / "setups.json"
    monkeypatch.setattr(setups, "CASES", [case])
    assert setups.main(["--output", str(output)]) == 0
    assert "3 as expected" in capsys.readouterr().out
    monkeypatch.setattr(setups, "CASES", [replace(case, refused=())])
    assert setups.main(["--output", str(output)]) == 1
    assert "once per backward pass" in capsys.readouterr().out
    found = json.loads(output.read_text(encoding="utf-8"))
    assert torch.__version__.startswith(found["versions"]["torch"])
    assert "refused, **wrong**" in markdown(page.table(found))


def test_nan_is_a_difference() -> None:
    x, nan = torch.ones(2), torch.tensor([1.0, math.nan])
    assert math.isnan(difference({"a": nan, "b": x}, {"a": x, "b": x}))


def test_what_is_not_a_number_is_recorded_and_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def diverged(case: Case, parts: Any) -> setups.Learned:
        learned = by_hand(case, parts)
        return learned._replace(
            importance={n: omega / 0 for n, omega in learned.importance.items()}
        )

    output = tmp_path / "setups.json"
    monkeypatch.setattr(setups, "CASES", [NAMED["SGD"]])
    monkeypatch.setattr(setups, "in_avalanche", diverged)
    monkeypatch.setattr(setups, "by_hand", diverged)
    assert setups.main(["--output", str(output)]) == 1
    found = json.loads(output.read_text(encoding="utf-8"))
    assert [row["importance"] for row in found["rows"]] == [None] * 3
    assert "| SGD | not a number, **wrong** |" in markdown(page.table(found))
    for row in found["rows"]:
        row["penalty"] = None
    assert "**wrong** | – |" in markdown(page.table(found))


def test_the_table_shows_differences_and_refusals() -> None:
    rows = copy.deepcopy([row for row in RECORDED if row["setup"] == "Accumulation"])
    rows[0]["anchors"] = 0.25
    rows[1]["importance"] = 3e-12
    text = markdown(page.table({"rows": rows}))
    assert "| Accumulation | 2e-01, **wrong** | 3e-12 | refused |" in text
    assert (
        'Accumulation is refused with “loss”: penalty="loss" would count once per backward pass'
        in text
    )
