"""The study of the penalty's stability: what it records, and what its table and figure show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.commands import stability as command
from benchmarks.commands.docs import RESULTS, content
from benchmarks.report.figures.drawing import render
from benchmarks.report.formats import markdown
from benchmarks.report.pages import stability

CONFIG = {"seed": 1000, "tasks": ["letters", "svhn"], "model": "mlp", "learning_rate": 0.05}


def write(
    folder: Path, penalty: str, clip: float | None, strength: float, **result: Any
) -> dict[str, Any]:
    place = folder / f"{penalty}-{clip}" / f"{strength:g}"
    place.mkdir(parents=True)
    config = {**CONFIG, "penalty": penalty, "gradient_clip": clip, "strength": strength}
    (place / "config.json").write_text(json.dumps(config))
    (place / "versions.json").write_text('{"torch": "2"}')
    if result:
        (place / "result.json").write_text(json.dumps(result))
    else:
        (place / "error.log").write_text("Traceback\nFloatingPointError: task 2, step 3: no\n")
    return config


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for k, strength in enumerate((0.1, 1.0, 10.0)):
        matrix = [[0.9, None], [0.5 - 0.03 * k, 0.7]]
        write(tmp_path, "damped", 5.0, strength, accuracy=matrix, clipped=[0.1, 0.3 + 0.1 * k])
    write(tmp_path, "explicit", None, 1.0, accuracy=[[0.9, None], [0.4, 0.4]])
    write(tmp_path, "explicit", None, 10.0)
    return tmp_path


def test_outcomes_are_recorded_and_shown(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    assert command.main(["--collect", "--output", str(runs)]) == 0
    found = json.loads((tmp_path / "stability" / "drawn.json").read_text())
    assert [(run["penalty"], run["strength"]) for run in found["runs"]] == [
        *(("damped", strength) for strength in (0.1, 1.0, 10.0)),
        *(("explicit", strength) for strength in (1.0, 10.0)),
    ]
    assert found["runs"][0]["accuracy"] == pytest.approx(0.6)
    assert found["runs"][0]["learned"] == pytest.approx(0.8)
    assert found["runs"][-1]["stopped"] == "FloatingPointError: task 2, step 3: no"
    text = markdown(stability.table(found))
    assert "| 0.1 | 60.0 | – | – | – |" in text
    assert "| 10 | 57.0 | – | – | stopped |" in text
    assert "| within 5 points of the best | 0.1 to 10 | – | – | 1 to 1 |" in text
    assert "| steps clipped, % (all tasks) | 20 to 30 | – | – | – |" in text
    text = markdown(stability.clipped_table(found))
    assert "| task | damped, λ = 0.1 | damped, λ = 1 |" in text
    assert "| 2 svhn | 30 | 40 |" in text
    (picture,) = render(lambda: stability.figure(found), "png")
    assert picture.startswith(b"\x89PNG")


def test_another_failure_is_no_outcome_and_is_named(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(runs, "explicit", None, 100.0)
    folder = runs / "explicit-None" / "100"
    (folder / "error.log").write_text("Traceback\nMemoryError: 9 GB\n")
    assert max(run["strength"] for run in command.outcomes(runs)) == 10.0
    assert f"{folder} is left out: MemoryError: 9 GB" in capsys.readouterr().err
    (folder / "error.log").unlink()
    assert max(run["strength"] for run in command.outcomes(runs)) == 10.0
    assert f"{folder} is left out: not finished" in capsys.readouterr().err


def test_the_versions_of_all_runs_are_recorded(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    (runs / "damped-5.0" / "1" / "versions.json").write_text('{"torch": "3"}')
    assert command.main(["--collect", "--output", str(runs)]) == 0
    found = json.loads((tmp_path / "stability" / "drawn.json").read_text())
    assert found["versions"] == [{"torch": "2"}, {"torch": "3"}]


def test_the_range_ends_at_a_gap() -> None:
    runs = [
        {"strength": s, "accuracy": a}
        for s, a in [(1, 0.58), (10, 0.5), (100, 0.6), (1000, 0.56), (10000, None)]
    ]
    assert stability._range(runs) == "100 to 1000"


def test_every_form_is_run_with_the_seed_of_tuning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[list[str]] = []
    monkeypatch.setattr("benchmarks.commands.run.main", lambda words: lines.append(list(words)))
    data = ["--root", "real", "--tasks", "letters", "svhn"]
    assert command.main(["--output", str(tmp_path), *data]) == 1
    assert "has no runs" in capsys.readouterr().err
    assert len(lines) == len(stability.FORMS)
    for line, form in zip(lines, stability.FORMS, strict=True):
        said = " ".join(line)
        clip = "none" if form.clip is None else str(form.clip)
        assert " ".join(data) in said
        assert f"--penalty {form.penalty} --gradient-clip {clip} --seeds 1000," in said


@pytest.mark.parametrize("source", [file.stem for file in (RESULTS / "stability").glob("*.json")])
def test_what_is_recorded_is_whole(source: str) -> None:
    text = content(f"stability-{source}")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(command.STRENGTHS[source]) + 2
    assert all("–" not in row for row in rows[2:-1])
