"""The report itself: printed, written to files, or put into a marked block of a Markdown file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from benchmarks.report.arguments import FORMATS
from benchmarks.report.blocks import with_block, write
from benchmarks.report.figures import figures, render
from benchmarks.report.formats import as_csv, latex, markdown, print_table
from benchmarks.report.runs import Group, ReportError, read_groups
from benchmarks.report.summary import Summary, summarise
from benchmarks.report.tables import tables


def print_report(
    paths: Sequence[Path],
    output: Path | None = None,
    *,
    formats: Sequence[str] | None = None,
    stream: IO[str] | None = None,
) -> list[Path]:
    """Print the tables of all finished runs under the paths, and write files to a folder.

    Args:
        paths: run folders, or folders that contain some.
        output: folder for the files; nothing is written without.
        formats: which of `FORMATS` to write; all without.
        stream: where to print, the terminal without.

    Returns:
        The files written.

    Raises:
        ReportError: there is nothing to report, or not in one table.
    """
    written: list[Path] = []
    for group in read_groups(paths):
        summaries = summarise(group)
        for table in tables(group, summaries):
            print_table(table, stream)
        if output is not None:
            written += _write_files(group, summaries, output, formats or FORMATS)
    return written


def _write_files(
    group: Group, summaries: list[Summary], output: Path, formats: Sequence[str]
) -> list[Path]:
    output.mkdir(parents=True, exist_ok=True)
    contents: dict[str, bytes] = {}
    shown = tables(group, summaries)
    if "markdown" in formats:
        contents[f"{group.name}.md"] = "\n".join(map(markdown, shown)).encode()
    if "csv" in formats:
        contents[f"{group.name}.csv"] = as_csv(group, summaries).encode()
    if "latex" in formats:
        contents[f"{group.name}.tex"] = "\n".join(map(latex, shown)).encode()
    if "figures" in formats:
        for name, figure in figures(group, summaries).items():
            for kind in ("png", "pdf"):
                contents[f"{group.name}-{name}.{kind}"] = render(figure, kind)
    for name, content in contents.items():
        write(output / name, content)
    return [output / name for name in contents]


def fill_block(paths: Sequence[Path], file: Path, name: str, *, check: bool = False) -> None:
    """Put the accuracy tables of the runs into a marked block of a Markdown file.

    Args:
        paths: run folders, or folders that contain some.
        file: the Markdown file.
        name: the block `<!-- generated: NAME -->` … `<!-- end -->`.
        check: change nothing, and raise where the block is not what the runs give.

    Raises:
        ReportError: the check fails, the file or the block is missing, or the runs cannot be
            reported.
    """
    if not file.is_file():
        raise ReportError(f"{file} does not exist; name an existing Markdown file")
    groups = read_groups(paths)
    content = "\n".join(markdown(tables(group, summarise(group))[0]) for group in groups)
    text = file.read_text(encoding="utf-8")
    wanted = with_block(text, name, content)
    if check and text != wanted:
        raise ReportError(
            f"block {name!r} of {file} is not what the runs give; run the command without --check"
        )
    if text != wanted:
        write(file, wanted.encode())
