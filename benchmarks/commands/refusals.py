"""What the library refuses, told from what fails in it."""

from __future__ import annotations

import traceback
from pathlib import Path

import avalanche_mas

_HOME = Path(avalanche_mas.__file__).parent


def is_refusal(error: BaseException) -> bool:
    """Return whether the library has raised an error by itself, rather than met one."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return _HOME in Path(last.filename).parents and (last.line or "").startswith("raise ")
