"""Damaged files of every kind, and the process that reads them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.commands import fuzz
from benchmarks.commands.fuzz import counted, trials, worker
from benchmarks.commands.fuzz.mutations import MUTATIONS
from benchmarks.commands.fuzz.readers import READERS, Reader
from benchmarks.commands.fuzz.worker import OTHER, REFUSED, SAME, WRONG, Outcome, Trial, Workers

RECORDED: dict[str, Any] = json.loads(fuzz.RESULT.read_text(encoding="utf-8"))


def test_some_hundred_damaged_files_are_answered_well() -> None:
    counts, wrong = counted(trials(list(READERS), 1), 600, seconds=20, megabytes=1000)
    assert wrong == []
    assert {reader for reader, _ in counts} == set(READERS)
    assert {mutation for _, mutation in counts} == set(MUTATIONS)


def test_what_is_recorded_is_of_every_reader_and_mutation_and_never_wrong() -> None:
    rows = RECORDED["rows"]
    assert sum(row.get(kind, 0) for row in rows for kind in (SAME, OTHER, REFUSED, WRONG)) >= 10_000
    assert sum(row.get(WRONG, 0) for row in rows) == len(RECORDED["wrong"]) == 0
    assert {row["reader"] for row in rows} == set(READERS)
    assert {row["mutation"] for row in rows} == set(MUTATIONS)
    assert sum(row.get(OTHER, 0) for row in rows if READERS[row["reader"]].sure) == 0


def read_text(folder: Path) -> str:
    return (folder / "one.txt").read_text(encoding="utf-8")


def refuse(folder: Path) -> str:
    raise ValueError(f"{folder / 'one.txt'} is damaged; write it again")


def refuse_namelessly(_: Path) -> str:
    raise ValueError("it is damaged")


def fail(folder: Path) -> str:
    raise KeyError(f"{folder / 'one.txt'}")


def hang(_: Path) -> str:
    time.sleep(60)
    return ""


def crash(_: Path) -> str:
    os._exit(3)


def gorge(_: Path) -> str:
    return "good" * int(np.ones(55_000_000).sum() > 0)


def after_good_files(read: Callable[[Path], str]) -> Callable[[Path], str]:
    """Read good files as they are."""
    return lambda folder: "good" if "good" in read_text(folder) else read(folder)


@pytest.mark.parametrize(
    ("read", "sure", "expected"),
    [
        (lambda _: "good", True, SAME),
        (read_text, False, OTHER),
        (read_text, True, WRONG),
        (refuse, True, REFUSED),
        (refuse_namelessly, False, WRONG),
        (fail, False, WRONG),
        (hang, False, WRONG),
        (crash, False, WRONG),
        (gorge, False, WRONG),
    ],
)
def test_every_outcome_is_told(
    read: Any, sure: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(folder: Path) -> None:
        (folder / "one.txt").write_text("good", encoding="utf-8")

    monkeypatch.setattr(worker, "_OURS", (__file__,))
    monkeypatch.setattr(
        worker, "READERS", {"one": Reader(write, after_good_files(read), sure=sure)}
    )
    with Workers(seconds=2, megabytes=100) as workers:
        found = workers.run(Trial("one", "empty", 0))
        assert isinstance(found, Outcome)
        assert found.kind == expected, found
        again = workers.run(Trial("one", "empty", 0))  # in a new process if need be
        assert isinstance(again, Outcome)
        assert again.kind == expected


def test_the_command_records_and_fails_if_something_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "fuzz.json"
    arguments = ["--files", "3", "--only", "Ω", "--seed", "7", "--output", str(output)]
    assert fuzz.main(arguments) == 0
    found = json.loads(output.read_text(encoding="utf-8"))
    assert (found["seed"], found["wrong"]) == (7, [])
    assert found["versions"]["python"]
    assert [row["reader"] for row in found["rows"]] == ["Ω"] * 3
    monkeypatch.setattr(worker, "_OURS", ("nowhere",))
    assert fuzz.main(arguments) == 1
    assert "3 files, 3 wrong" in capsys.readouterr().out
