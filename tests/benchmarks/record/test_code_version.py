"""The version of the code that a run records: the commit, and whether the code differs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.record.code_version import TRAINS, read_digest, read_version


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("avalanche_mas/a.py", "benchmarks/run/b.py", "pyproject.toml", "README.md"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
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
        ("benchmarks/run/b.py", True),
        ("benchmarks/run/deep/new.py", True),
        ("benchmarks/record/settings.py", True),
        ("benchmarks/record/files.py", False),
        ("benchmarks/commands/new.py", False),
        ("benchmarks/data/new.py", False),
        ("benchmarks/engines/new.py", False),
        ("benchmarks/report/new.py", False),
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


SAID = '''"""A module."""

LIMIT = 3
"""A limit."""

class Thing:
    """A thing."""

    def do(self):
        """Do it."""
        return "a text"  # and why
'''


@pytest.mark.parametrize(
    ("old", "new", "another"),
    [
        ("A module", "Another description", False),
        ("A limit", "The limit", False),
        ("A thing", "The thing", False),
        ('        """Do it."""\n', "", False),
        ("# and why", "# because", False),
        ("\n\n", "\n\n\n", False),
        ("a text", "another text", True),
        ("LIMIT = 3", "LIMIT = 4", True),
    ],
)
def test_what_is_said_of_the_code_is_no_part_of_it(
    checkout: Path, old: str, new: str, another: bool
) -> None:
    file = checkout / "avalanche_mas/a.py"
    file.write_text(SAID)
    before = read_digest(checkout)
    assert old in SAID
    file.write_text(SAID.replace(old, new))
    assert (read_digest(checkout) != before) is another


def test_all_that_the_runner_imports_is_digested() -> None:
    """Of `record`, only what configures training counts; the rest writes files."""
    grimp = pytest.importorskip("grimp", reason="grimp, of the extra `dev`, is not installed")
    graph = grimp.build_graph("avalanche_mas", "benchmarks", exclude_type_checking_imports=True)
    imported = graph.find_upstream_modules("benchmarks.run.runner")
    digested = tuple(place.removesuffix(".py").replace("/", ".") for place in TRAINS)
    others = {
        name for name in imported if not f"{name}.".startswith(tuple(f"{d}." for d in digested))
    }
    written = {
        f"benchmarks.record.{name}"
        for name in ("checks", "code_version", "files", "folders", "schema")
    }
    assert others == written


def test_a_file_that_moves_is_another_code(checkout: Path) -> None:
    before = read_digest(checkout)
    (checkout / "avalanche_mas/a.py").rename(checkout / "avalanche_mas/b.py")
    assert read_digest(checkout) != before
