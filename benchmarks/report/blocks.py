"""Files that the report writes: in one step each, and marked blocks inside others."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from benchmarks.report.runs import ReportError


def write(file: Path, content: bytes) -> None:
    """Write a file in one step: it is complete or as it was before."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        temporary.chmod(0o644)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def with_block(text: str, name: str, content: str) -> str:
    """The text with the block `<!-- generated: NAME --> … <!-- end -->` filled with the content.

    Raises:
        ReportError: there is no such block, or more than one.
    """
    start = re.escape(f"<!-- generated: {name} -->")
    pattern = re.compile(rf"({start}\n).*?(<!-- end -->)", re.DOTALL)
    found = len(pattern.findall(text))
    if found != 1:
        raise ReportError(
            f"expected one block `<!-- generated: {name} -->` … `<!-- end -->`, found {found}"
        )
    return pattern.sub(lambda match: f"{match[1]}{content.strip()}\n{match[2]}", text)
