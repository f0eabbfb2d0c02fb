"""Marked blocks in Markdown files, which are filled from results."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.record.files import write_atomically
from benchmarks.report.numbers.runs import ReportError


def with_block(text: str, name: str, content: str) -> str:
    """The text with the block `<!-- generated: NAME --> … <!-- end -->` filled with the content.

    Raises:
        ReportError: there is no such block, or more than one.
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
    """Put the content into a marked block of a Markdown file.

    Args:
        file: the Markdown file.
        name: the block `<!-- generated: NAME -->` … `<!-- end -->`.
        content: what belongs there.
        check: change nothing, and raise where the block is not the content.

    Raises:
        ReportError: the check fails, or the file or the block is missing.
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
