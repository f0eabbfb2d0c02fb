"""Which version of the code a run names: the commit, and whether the code differs from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.record.code_version import read_digest, read_version


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("avalanche_mas/a.py", "benchmarks/b.py", "pyproject.toml", "README.md"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("one\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    expected = {"commit": git(checkout, "rev-parse", "HEAD"), "changed": False}
    assert read_version(checkout) == expected


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("avalanche_mas/a.py", True),
        ("benchmarks/new.py", True),
        ("pyproject.toml", True),
        ("README.md", False),
        ("benchmarks/results/new/result.json", False),
    ],
)
def test_only_code_counts_as_changed(checkout: Path, name: str, changed: bool) -> None:
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("two\n")
    version = read_version(checkout)
    assert version is not None
    assert version["changed"] is changed


def test_a_folder_inside_another_checkout_is_none_itself(checkout: Path) -> None:
    assert read_version(checkout / "benchmarks") is None


def test_without_git_nothing_is_known(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert read_version(checkout) is None


def test_a_checkout_without_commits(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert read_version(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "another"),
    [
        ("avalanche_mas/a.py", True),
        ("benchmarks/deep/new.py", True),
        ("benchmarks/report/new.py", False),  # reports never train
        ("benchmarks/results/new/result.json", False),
        ("README.md", False),
    ],
)
def test_the_digest_is_of_the_code_that_numbers_depend_on(
    checkout: Path, name: str, another: bool
) -> None:
    before = read_digest(checkout)
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("two\n")
    assert (read_digest(checkout) != before) is another
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "second")
    assert (read_digest(checkout) != before) is another


def test_a_file_that_moves_is_another_code(checkout: Path) -> None:
    before = read_digest(checkout)
    (checkout / "avalanche_mas/a.py").rename(checkout / "avalanche_mas/b.py")
    assert read_digest(checkout) != before
