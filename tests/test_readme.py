"""The README's links lead somewhere, and its code is right."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from avalanche.training import Naive

from avalanche_mas import MASPlugin

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_pictures_and_links_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def code(marker: str) -> str:
    """The one block of Python code in the README with this in it."""
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", README, re.S) if marker in b]
    return block


def test_its_code_imports_what_there_is() -> None:
    for block in re.findall(r"```python\n(.*?)```", README, re.S):
        for line in re.findall(r"^from .*$", block, re.M):
            exec(line, {})


def test_the_one_line_makes_a_strategy() -> None:
    model = torch.nn.Linear(2, 2)
    scope = {"Naive": Naive, "model": model, "criterion": torch.nn.CrossEntropyLoss()}
    scope["optimizer"] = torch.optim.SGD(model.parameters(), lr=0.1)
    exec(code("strategy = Naive(\n    model=model"), scope)
    assert any(isinstance(plugin, MASPlugin) for plugin in scope["strategy"].plugins)


def test_the_code_for_plain_pytorch_runs() -> None:
    model = torch.nn.Linear(2, 2)
    scope = {"model": model, "batches": [torch.eye(2)], "loss": model(torch.eye(2)).sum()}
    scope["optimizer"] = torch.optim.SGD(model.parameters(), lr=0.1)
    exec(code("QuadraticPenalty"), scope)
    assert scope["penalty"].importance.keys() == {"weight", "bias"}


def test_the_code_for_importance_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    batch = torch.eye(2)
    scope = {"model": torch.nn.Linear(2, 2), "batches": [batch], "more": [batch], "batch": batch}
    exec(code("omega.save"), scope)
    assert scope["omega"].samples == 4
    assert (tmp_path / "omega.png").is_file()


def test_the_code_for_the_plugins_runs() -> None:
    scope = {"plugin": MagicMock(), "strategy": None, "images": None}
    exec(code("update_importance"), scope)
    scope["plugin"].update_importance.assert_called_once()
