"""The speed command: that it measures, writes and shows. How fast it is, is not tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.commands.speed import forms, importance, main
from benchmarks.commands.speed.timing import ratio, shown, take_turns


def test_contenders_take_turns_after_a_warm_up() -> None:
    calls: list[str] = []
    seconds = take_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_a_ratio_is_taken_round_by_round() -> None:
    found = ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0], scale=2)
    assert found == {"median": 4.0, "min": 2.0, "max": 6.0}
    assert shown(found) == "4.00 (2.00 to 6.00)"


def test_the_importance_suite_leaves_data_and_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importance, "BATCHES", {"squeezenet1_1": 2})
    assert main(["importance", "--quick", "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "importance.json").read_text(encoding="utf-8"))
    row = found["networks"]["squeezenet1_1"]
    assert row["flop"] > 0
    assert {len(seconds) for seconds in row["seconds"].values()} == {2}
    assert found["machine"]["threads"] >= 1
    table = (tmp_path / "importance.md").read_text(encoding="utf-8")
    assert "| squeezenet1_1 | 4 |" in table
    assert table in capsys.readouterr().out


def test_the_suite_of_forms_leaves_data_and_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "BATCHES", {"squeezenet1_1": 1})
    assert main(["forms", "--quick", "--output", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "forms.json").read_text(encoding="utf-8"))
    row = found["networks"]["squeezenet1_1"]
    assert set(row["seconds"]) == {"l2", "local", "vector"}
    assert row["vector_over_l2"]["min"] > 1
    table = (tmp_path / "forms.md").read_text(encoding="utf-8")
    assert "vector form of 10 outputs" in table


def test_an_unknown_suite_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["typing"])
    assert "known: importance, forms, penalty" in capsys.readouterr().err
