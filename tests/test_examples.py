"""The examples, and the README's first, run as they stand and print what they say."""

from __future__ import annotations

import ast
import json
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.processes import OFFLINE, run_python

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))
POINTS = 20
"""How far accuracies in percent may be apart: versions and processors round differently."""

NUMBER = re.compile(r"\d+")
RECORDED = {
    name: said
    for name, said in json.loads(
        (ROOT / "benchmarks/results/examples.json").read_text("utf-8")
    ).items()
    if name != "tracked"  # which has MAS alone
}


def said(*words: str, folder: Path) -> str:
    """What an example prints."""
    done = run_python("-W", "ignore", *words, cwd=folder, **OFFLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def compare(found: str, expected: str) -> None:
    """The same words, and percentages close to one another."""
    assert NUMBER.sub("#", found) == NUMBER.sub("#", expected), found
    for one, other in zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True):
        assert abs(int(one) - int(other)) <= POINTS, (found, expected)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_prints_what_its_docstring_says(file: Path, tmp_path: Path) -> None:
    text = file.read_text(encoding="utf-8")
    if "from transformers" in text and not find_spec("transformers"):
        pytest.skip("transformers is not installed")
    expected = (ast.get_docstring(ast.parse(text)) or "").partition("Output:\n\n")[2]
    assert expected
    compare(said(str(file), folder=tmp_path), expected.strip())


def test_the_first_example_of_the_readme_prints_what_follows_it(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code, expected = re.findall(r"```python\n(.*?)```.*?```text\n(.*?)```", readme, re.S)[0]
    spaces = re.compile(r" +")
    found = said("-c", code, folder=tmp_path)
    compare(spaces.sub(" ", found), spaces.sub(" ", expected.strip()))


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_what_it_prints_would_differ_without_the_penalty(name: str) -> None:
    *_, without, with_it = RECORDED[name].split("\nMAS" if "[[" in RECORDED[name] else "\n")
    pairs = zip(NUMBER.findall(without), NUMBER.findall(with_it), strict=True)
    assert max(abs(int(one) - int(other)) for one, other in pairs) > POINTS


def test_there_are_six() -> None:
    assert len(EXAMPLES) == 6
