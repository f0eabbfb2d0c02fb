"""A process that dies while others wait for it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.distributed.dying import PLUGINS, SECONDS
from tests.distributed.launching import HERE, torchrun

pytestmark = pytest.mark.skipif(os.name == "nt", reason="torchrun needs what Windows lacks")


@pytest.mark.parametrize("when", PLUGINS)
def test_the_others_end_with_a_clear_error_in_bounded_time(tmp_path: Path, when: str) -> None:
    said = torchrun(2, HERE / "dying.py", str(tmp_path), when)
    (seen,) = [file.read_text(encoding="utf-8") for file in tmp_path.iterdir()] or [said]
    assert re.match(
        r"\S+ LostProcessError process 0 of 2 waited .* has ended or has not answered .*"
        r"\(.+\).* start all processes again",
        seen,
    ), seen
    assert float(seen.split()[0]) < 3 * SECONDS
