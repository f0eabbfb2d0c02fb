"""The version of the code that a run uses."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.record.files import ROOT

COPY_OF = "AVALANCHE_MAS_COPY_OF"
"""The environment variable that holds, in JSON, the version that this code is a copy of, if any."""

CODE = ("avalanche_mas", "benchmarks", "pyproject.toml", ":(exclude)benchmarks/results")
"""What counts as a change since a commit: not the results being recorded."""

TRAINS = (
    "avalanche_mas",
    "benchmarks/experiments",
    "benchmarks/methods",
    "benchmarks/record/imported.py",
    "benchmarks/record/recipe.py",
    "benchmarks/record/settings.py",
    "benchmarks/run",
)
"""The code that a run's numbers depend on: what `benchmarks.run.runner` imports."""


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the SHA-256 of the code that a run's numbers depend on, read once per process.

    Unlike `code_version` it distinguishes uncommitted changes, ignores docstrings, comments and all
    other code, and needs no git.
    """
    return read_digest(ROOT)


def read_digest(root: Path) -> str:
    """Return the `code_digest` of the code in a folder, over file names and syntax trees."""
    digest = hashlib.sha256()
    for place in TRAINS:
        path = root / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            code = _WithoutDocstrings().visit(ast.parse(file.read_bytes(), str(file)))
            digest.update(f"{file.relative_to(root).as_posix()}\0{ast.dump(code)}\0".encode())
    return digest.hexdigest()


class _WithoutDocstrings(ast.NodeTransformer):
    """Remover of docstrings and other strings that stand alone; a syntax tree has no comments."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node


@lru_cache(maxsize=1)
def code_version() -> dict[str, Any] | None:
    """Return the commit that is checked out, and whether the code has changed since.

    It is read once per process and its forks, as the code is loaded once. None if the code is not
    a git checkout of its own, or there is no git.
    """
    copied = os.environ.get(COPY_OF)
    return json.loads(copied) if copied else read_version(ROOT)


def read_version(root: Path) -> dict[str, Any] | None:
    """Return the `code_version` of the checkout in a folder."""
    if not (root / ".git").exists():
        return None
    try:
        return {
            "commit": _git(root, "rev-parse", "HEAD").strip(),
            "changed": bool(_git(root, "status", "--porcelain", "--", *CODE)),
        }
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
