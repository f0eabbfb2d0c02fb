"""Marked blocks in Markdown files, filled from results."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.record.files import write_atomically
from benchmarks.report.numbers.runs import ReportError


def with_block(text: str, name: str, content: str) -> str:
    """Fill the block `<!-- generated: NAME --> … <!-- end -->` of a text with the content.

    Raises:
        ReportError: There is no such block, or more than one.
    """
    start = re.escape(f"<!-- generated: {name} -->")
    inside = r"(?:(?!<!-- generated: ).)*?"
    pattern = re.compile(rf"({start}\n){inside}(<!-- end -->)", re.DOTALL)
    found = len(pattern.findall(text))
    if found != 1:
        raise ReportError(
            f"expected one block `<!-- generated: {name} -->` … `<!-- end -->`, found {found}"
        )
    return pattern.sub(lambda match: f"{match[1]}{content.strip()}\n{match[2]}", text)


def fill(file: Path, name: str, content: str, *, check: bool = False) -> None:
    """Fill a marked block of a Markdown file, or only check that it has this content.

    Raises:
        ReportError: The check fails, or the file or the block is missing.
    """
    if not file.is_file():
        raise ReportError(f"{file} does not exist; name an existing Markdown file")
    text = file.read_text(encoding="utf-8")
    wanted = with_block(text, name, content)
    if check and text != wanted:
        raise ReportError(
            f"block {name!r} of {file} is not what the results give; "
            "run the command without --check"
        )
    if text != wanted:
        write_atomically(file, wanted)
