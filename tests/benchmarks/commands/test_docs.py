"""The numbers in the documents are what the recorded results give."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from benchmarks.commands.docs import RESULTS, ROOT, block_names, content, documents, pictured
from benchmarks.report import ReportError
from tests.benchmarks.command_lines import docs


def test_every_number_is_generated_from_the_recorded_results() -> None:
    assert docs(["--check"]) == 0


def test_there_are_numbers_in_the_readme_and_in_docs() -> None:
    found = {file.name: block_names(file.read_text("utf-8")) for file in documents()}
    assert all(found[name] for name in ("README.md", "results.md", "speed.md"))
    assert len(found) == 1 + len(list((ROOT / "docs").iterdir()))


@pytest.mark.parametrize(
    ("page", "number", "block"),
    [("README.md", "| MAS |", "'sequence'"), ("docs/speed.md", "| vgg11 |", "'speed-forms'")],
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


def test_a_block_shows_the_headline_or_the_table_it_names() -> None:
    assert content("drawn").startswith("**Accuracy after the sequence")
    assert content("drawn/paired").startswith("**Paired differences from fine-tuning")
    assert content("drawn/cost").startswith("**Cost of the sequence")


def test_a_table_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ReportError, match="no table 'costs'; there are accuracy, paired, cost"):
        content("drawn/costs")


def test_a_document_s_pictures_are_of_folders_of_results() -> None:
    for file in documents():
        for folder in pictured(file.read_text("utf-8")):
            assert (RESULTS / folder).is_dir()
