"""The numbers in the documents are what the recorded results give."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
from matplotlib.figure import Figure

from benchmarks.commands.docs import (
    RESULTS,
    ROOT,
    block_names,
    content,
    documents,
    draw,
    fill_output,
    pictured,
)
from benchmarks.commands.speed import scale
from benchmarks.report import ReportError
from tests.benchmarks.command_lines import docs


def test_every_number_is_generated_from_the_recorded_results() -> None:
    assert docs(["--check"]) == 0


def test_there_are_numbers_in_the_readme_and_in_docs() -> None:
    found = {file.name: block_names(file.read_text("utf-8")) for file in documents()}
    assert all(found[name] for name in ("README.md", "results.md", "speed.md"))
    assert len(found) == 1 + len(list((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize(
    ("page", "number", "block"),
    [
        ("README.md", "| MAS |", "'sequence'"),
        ("docs/speed.md", "| vgg11 |", "'speed-importance/times'"),
    ],
)
def test_a_changed_number_is_noticed(
    page: str,
    number: str,
    block: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    text = (tmp_path / page).read_text(encoding="utf-8")
    assert number in text
    (tmp_path / page).write_text(text.replace(number, f"{number} 99.9 |"), encoding="utf-8")
    monkeypatch.setattr("benchmarks.commands.docs.ROOT", tmp_path)
    monkeypatch.setattr("benchmarks.commands.docs.print_report", Mock())
    assert docs(["--check"]) == 1
    assert block in capsys.readouterr().err
    assert docs([]) == 0
    assert (tmp_path / page).read_text(encoding="utf-8") == text


def test_an_example_s_docstring_ends_with_its_recorded_output(tmp_path: Path) -> None:
    example = ROOT / "docs" / "examples" / "tracked.py"
    right = example.read_text(encoding="utf-8")
    copy = tmp_path / example.name
    copy.write_text(right.replace("2 values", "3 values"), encoding="utf-8")
    with pytest.raises(ReportError, match="does not end its docstring"):
        fill_output(copy, check=True)
    fill_output(copy, check=False)
    assert copy.read_text(encoding="utf-8") == right
    copy.write_text("print()\n", encoding="utf-8")
    with pytest.raises(ReportError, match="does not end its docstring"):
        fill_output(copy, check=False)


def test_a_block_shows_the_headline_or_the_table_it_names() -> None:
    story, title, *_ = content("drawn").split("\n\n")
    assert "has the highest mean accuracy at the end" in story
    assert title.startswith("**Accuracy after the sequence")
    assert content("drawn/paired").startswith("**Paired differences from fine-tuning")
    assert content("drawn/cost").startswith("**Cost of the sequence")


def test_a_table_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ReportError, match="no table 'costs'; there are accuracy, paired, from-mas"):
        content("drawn/costs")


def test_a_suite_s_other_tables_have_names() -> None:
    with pytest.raises(ReportError, match="step has no table 'memory'; there are strategies"):
        content("speed-step/memory")


def test_the_suites_of_all_pythons_make_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("python", "torch", "torchvision", "avalanche-lib", "numpy", "wandb")
    numbers = {"date": "2026-11-28", "passed": 90, "skipped": 8, "failed": 7, "minutes": 1.5}
    row = {**numbers, "versions": {name: f"1.{k}" for k, name in enumerate(names)}}
    (tmp_path / "suites.json").write_text(
        json.dumps({"3.10": row, "oldest": row}), encoding="utf-8"
    )
    monkeypatch.setattr("benchmarks.commands.docs.RESULTS", tmp_path)
    for which in ("pinned", "oldest"):
        line = f"| 1.0 | {which} | 1.1 | 1.2 | 1.3 | 1.4 | 1.5 | 2026-11-28 | 90 | 8 | 7 |"
        assert line in content("suites").splitlines()


def test_the_pictures_that_documents_show_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "speed").mkdir()
    for suite in ("scale", "importance"):
        (tmp_path / "speed" / f"{suite}.json").write_text('{"drawn": 1}')
    monkeypatch.setattr("benchmarks.commands.docs.RESULTS", tmp_path)
    monkeypatch.setattr(scale, "figure", lambda found: Figure(figsize=(found["drawn"], 1)))
    draw("speed", {"scale"})
    (picture,) = (tmp_path / "figures" / "speed").iterdir()
    assert picture.name == "scale.png"


def test_a_document_s_pictures_are_of_folders_of_results() -> None:
    shown = [one for file in documents() for one in pictured(file.read_text("utf-8"))]
    assert ("speed", "scale") in shown
    for folder, name in shown:
        assert (RESULTS / folder).is_dir()
        assert (RESULTS / "figures" / folder / f"{name}.png").is_file()
