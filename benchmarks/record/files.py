"""Writing whole files only: a temporary file beside the target, then a rename."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.record.schema import TEMPORARY


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """Give a stream to write a file in one step: it is complete or as it was.

    Its folder is made if need be.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=TEMPORARY)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        temporary.chmod(0o644)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(file: Path, content: str | bytes) -> None:
    """Write a file in one step, as `whole_file` does."""
    with whole_file(file) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def or_null(value: float) -> float | None:
    """Return a number as JSON has it: `None` for NaN."""
    return None if math.isnan(value) else value


def write_json(file: Path, content: Any) -> None:
    """Write JSON in one step; NaN and infinity are refused, as other readers do not know them."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(file, text + "\n")
