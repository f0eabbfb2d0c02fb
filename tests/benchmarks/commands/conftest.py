"""No recorded tuning."""

from __future__ import annotations

import pytest


@pytest.fixture
def nothing_tuned(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hide the recorded strengths from the command line."""
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path_factory.mktemp("tuned"))
