"""The kernels compile for GPUs, and what a program holds fits in their registers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SPILLED = 64
"""Bytes of a thread's registers that may go through the cache."""


def missing() -> str:
    """Return what is missing to compile for a GPU."""
    spec = find_spec("triton")
    if spec is None or spec.origin is None:
        return "Triton"
    tools = Path(spec.origin).parent / "backends" / "nvidia" / "bin"
    return next((n for n in ("ptxas", "cuobjdump") if not (tools / n).is_file()), "")


@pytest.mark.skipif(bool(missing()), reason=f"compiling for a GPU needs {missing()}")
def test_kernels_compile_for_gpus(tmp_path: Path) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.importance.kernels.compiled", "few", "80", "90"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [row["capability"] for row in found] == [80] * 4 + [90] * 4
    for row in found:
        assert row["spilled"] <= SPILLED, row
        assert row["shared"] <= 99 * 2**10, row  # what a program may have on consumers' chips too
