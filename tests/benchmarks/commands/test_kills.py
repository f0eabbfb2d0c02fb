"""The command that kills runs: what counts as a kill."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from benchmarks.commands.kills import ENDED, Process


def test_a_process_is_killed_at_what_it_does(tmp_path: Path) -> None:
    process = Process(lambda _: time.sleep(60), tmp_path)
    assert not process.wait(0.1)
    assert process.kill() == "training"
    assert not (tmp_path / ENDED).exists()


def test_a_process_that_ended_before_is_not_killed(tmp_path: Path) -> None:
    process = Process(lambda _: None, tmp_path)
    assert process.wait(None)
    assert process.kill() is None


def test_a_process_that_failed_before_is_no_kill(tmp_path: Path) -> None:
    process = Process(lambda _: os._exit(3), tmp_path)
    process.wait_for_a_file()
    with pytest.raises(RuntimeError, match="failed"):
        process.kill()
