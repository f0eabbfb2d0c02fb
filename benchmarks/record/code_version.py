"""Which version of the code a run is done with."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

COPY_OF = "AVALANCHE_MAS_COPY_OF"
"""The environment variable that says, in JSON, of which version the code is a copy, if it is one."""

ROOT = Path(__file__).parents[2]
CODE = ("avalanche_mas", "benchmarks", "pyproject.toml", ":(exclude)benchmarks/results")
"""What a commit is compared with; results that are being recorded are no change of the code."""

TRAINS = (
    "avalanche_mas",
    "benchmarks/experiments",
    "benchmarks/methods",
    "benchmarks/record/recipe.py",
    "benchmarks/record/settings.py",
    "benchmarks/run",
)
"""The code that a run is done with: what `benchmarks.run.runner` imports and numbers depend on."""


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the SHA-256 of the code that a run's numbers depend on, looked up once likewise.

    Unlike `code_version` it tells uncommitted changes apart, ignores commits that change none of
    that code, docstrings and comments aside, and needs no git.
    """
    return read_digest(ROOT)


def read_digest(root: Path) -> str:
    """Return `code_digest` of the code in a folder: of the files' names and what they do."""
    digest = hashlib.sha256()
    for place in TRAINS:
        path = root / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            code = _WithoutDocstrings().visit(ast.parse(file.read_bytes(), str(file)))
            digest.update(f"{file.relative_to(root).as_posix()}\0{ast.dump(code)}\0".encode())
    return digest.hexdigest()


class _WithoutDocstrings(ast.NodeTransformer):
    """Removes the strings that stand alone; comments are no part of a syntax tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node


@lru_cache(maxsize=1)
def code_version() -> dict[str, Any] | None:
    """Return the commit that is checked out, and whether the code has been changed since.

    It is looked up once in a process and its forks, as the code is loaded once. None where the
    code is not a git checkout of its own, or git is not there.
    """
    copied = os.environ.get(COPY_OF)
    return json.loads(copied) if copied else read_version(ROOT)


def read_version(root: Path) -> dict[str, Any] | None:
    """Return `code_version` of the checkout in a folder."""
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
