"""The code in the documents runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCKS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "your-own.md").read_text("utf-8"), re.S
)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_code_for_ones_own_runs(number: int, tmp_path: Path) -> None:
    """In a process of its own, as it registers things; the runs are shortened."""
    shortened = BLOCKS[number].replace('-tuning", "decay"]', '-tuning", "decay", "--epochs", "1"]')
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", shortened],
        cwd=tmp_path,
        env={**environment, "WANDB_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if "METHODS" in shortened:
        assert "FAILED" not in done.stdout + done.stderr
        assert len(list(tmp_path.glob("runs/two-tasks/*/*/seed0/result.json"))) == 2
        assert "decay" in done.stdout.split("Accuracy after two tasks")[1]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), (page, target)
