"""Recorded run folders match their schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_origin

import pytest
from typing_extensions import NotRequired, get_type_hints

from benchmarks.record import checks, schema

RESULTS = Path(schema.__file__).parents[1] / "results"
RECORDED = sorted(RESULTS.rglob(schema.RESULT))


def check(content: dict[str, Any], kind: type) -> None:
    """Check that an object is of a TypedDict, and has no unknown keys."""
    checks.check(content, kind, "content")
    hints = get_type_hints(kind, include_extras=True)
    studies = get_type_hints(schema.StudyResult)
    required = {n for n, hint in hints.items() if get_origin(hint) is not NotRequired} - {*studies}
    assert required <= content.keys() <= hints.keys()


def test_recorded_results_have_the_schema() -> None:
    assert RECORDED
    for file in RECORDED:
        result = json.loads(file.read_text(encoding="utf-8"))
        check(result, schema.Result)
        check(result["seconds"], schema.Seconds)
        for data in result.get("data", ()):
            check(data, schema.DataOfTask)


def test_recorded_omega_has_the_schema() -> None:
    files = sorted(RESULTS.rglob(schema.OMEGA))
    assert files
    for file in files:
        omega = json.loads(file.read_text(encoding="utf-8"))
        check(omega, schema.OmegaByLayer)
        for layer in (layer for layers in omega["layers"] for layer in layers):
            check(layer, schema.OmegaOfLayer)


@pytest.mark.parametrize("name", [n for n in vars(schema) if n.isupper()])
def test_every_file_is_explained(name: str) -> None:
    assert re.search(rf"`{re.escape(getattr(schema, name))}`", schema.__doc__ or "")


def test_recorded_folders_hold_nothing_else() -> None:
    names = {value for name, value in vars(schema).items() if name.isupper()}
    for file in RECORDED:
        assert {entry.name for entry in file.parent.iterdir()} <= names
