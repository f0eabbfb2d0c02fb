"""The README's links lead somewhere, and its code runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from tests.processes import OFFLINE, run_python

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_pictures_and_links_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_its_blocks_run_one_after_the_other(tmp_path: Path) -> None:
    """The first is short of nothing; those after it go on with what it leaves."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    first, *rest = blocks
    fewer = first.replace("train_epochs=10", "train_epochs=1")
    assert fewer != first
    done = run_python("-W", "ignore", "-c", "\n".join([fewer, *rest]), cwd=tmp_path, **OFFLINE)
    assert done.returncode == 0, done.stderr
    left = {"layers.png", "mas.safetensors", "omega.png", "omega.safetensors"}
    assert {file.name for file in tmp_path.iterdir()} == left
