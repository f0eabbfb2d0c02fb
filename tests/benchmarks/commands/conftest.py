"""No recorded tuning."""

from __future__ import annotations

import pytest


@pytest.fixture
def nothing_tuned(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded has no part in what the command line means."""
    monkeypatch.setattr("benchmarks.record.tuned.RESULTS", tmp_path_factory.mktemp("tuned"))
