"""No recorded tuning, and a clock that only tests move."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from benchmarks.commands.speed import timing


@pytest.fixture
def nothing_tuned(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hide the recorded strengths from the command line."""
    monkeypatch.setattr("benchmarks.record.tuned.TUNING", tmp_path_factory.mktemp("tuned"))


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A function that takes so many seconds by the clock of `take_turns`, and no time at all."""
    now = [0.0]
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes
