"""The tutorials run, and what they show is what a run from the first cell to the last gives."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.commands.docs import content
from tests.processes import OFFLINE, ROOT, run_python

NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
MISSING = [name for name in ("nbformat", "nbclient", "ipykernel") if not find_spec(name)]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
LARGEST = 400_000
"""Bytes of a notebook, its pictures included."""

each = pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)


def cells(file: Path, kind: str) -> list[dict[str, Any]]:
    found = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def shown(output: dict[str, Any]) -> str:
    """The text of an output, and the kinds of its pictures."""
    if "text" in output:
        return "".join(output["text"])
    data = output["data"]
    return "".join(data.get("text/markdown", data["text/plain"])) + " ".join(sorted(data))


def test_there_are_three() -> None:
    assert len(NOTEBOOKS) == 3


@each
def test_every_cell_was_run_in_order_and_failed_in_nothing(file: Path) -> None:
    code = cells(file, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {one["output_type"] for one in outputs} <= {"stream", "display_data", "execute_result"}
    assert {one.get("name", "stdout") for one in outputs} == {"stdout"}, "a warning, on stderr"


@each
def test_nothing_of_the_machine_is_in_it(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert json.loads(text)["metadata"] == METADATA
    assert not any(cell["metadata"] for cell in json.loads(text)["cells"])
    words = [source(cell) for kind in ("code", "markdown") for cell in cells(file, kind)]
    words += [shown(output) for cell in cells(file, "code") for output in cell["outputs"]]
    for word in words:
        assert not re.search(r"(?<![\w.)/])/(?:home|root|tmp|usr|opt|work|var|Users)/", word), word
    assert len(text.encode()) < LARGEST


@each
def test_links_lead_somewhere(file: Path) -> None:
    for cell in cells(file, "markdown"):
        for target in re.findall(r"\]\(([^)#]+)\)", source(cell)):
            assert target.startswith("https://") or (file.parent / target).exists(), target


@each
def test_its_text_states_no_number_that_was_measured(file: Path) -> None:
    for cell in cells(file, "markdown"):
        assert not re.search(r"\d ?(?:%|points|percent|seconds|times)", source(cell)), source(cell)


@each
def test_recorded_tables_are_those_of_the_results(file: Path) -> None:
    for cell in cells(file, "code"):
        for name in re.findall(r'content\("(.+?)"\)', source(cell)):
            (output,) = cell["outputs"]
            assert "".join(output["data"]["text/markdown"]) == content(name), (
                f"run: python .ci/notebooks.py {file.stem}"
            )


def without_numbers(text: str) -> str:
    """The words of an output; digits differ between machines, and so does what has a GPU to time."""
    text = re.sub(r"[-−+]?\d[\d.,]*(?:e[-+]\d+)?", "#", text.partition("\ntime")[0])
    return " ".join(text.split())


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
@each
def test_it_runs_without_network_and_shows_the_same(file: Path, tmp_path: Path) -> None:
    script = ROOT / ".ci" / "notebooks.py"
    done = run_python(str(script), file.stem, "--output", ".", cwd=tmp_path, **OFFLINE)
    assert done.returncode == 0, done.stderr
    again = tmp_path / file.name
    for committed, now in zip(cells(file, "code"), cells(again, "code"), strict=True):
        said = [without_numbers(shown(output)) for output in now["outputs"]]
        assert said == [without_numbers(shown(output)) for output in committed["outputs"]]
