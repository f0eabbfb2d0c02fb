"""The report itself: printed, written to files, or put into a marked block of a Markdown file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from matplotlib import rc_context

from benchmarks.files import write_atomically
from benchmarks.report.arguments import FORMATS
from benchmarks.report.blocks import fill
from benchmarks.report.figures import STYLE, render
from benchmarks.report.formats import latex, markdown, print_table
from benchmarks.report.page import Page
from benchmarks.report.pages import pages
from benchmarks.report.runs import read_runs


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
    runs = read_runs(paths)
    for page in pages(runs):
        for table in page.tables:
            print_table(table, stream)
        if output is not None:
            written += _write_files(page, output, formats or FORMATS)
    tuning = sum(run.for_tuning for run in runs)
    if tuning:
        print(f"Left out: runs on validation data, which are for tuning ({tuning}).", file=stream)
    return written


def _write_files(page: Page, output: Path, formats: Sequence[str]) -> list[Path]:
    contents: dict[str, bytes] = {}
    if "markdown" in formats:
        contents[f"{page.name}.md"] = "\n".join(map(markdown, page.tables)).encode()
    if "csv" in formats:
        contents[f"{page.name}.csv"] = page.as_csv().encode()
    if "latex" in formats:
        contents[f"{page.name}.tex"] = "\n".join(map(latex, page.tables)).encode()
    if "figures" in formats:
        with rc_context(STYLE):
            figures = page.figures()
        for name, figure in figures.items():
            for kind in ("png", "pdf"):
                contents[f"{page.name}-{name}.{kind}"] = render(figure, kind)
    for name, content in contents.items():
        write_atomically(output / name, content)
    return [output / name for name in contents]


def block_text(paths: Sequence[Path]) -> str:
    """The headline tables of the runs in Markdown, as a marked block shows them.

    Raises:
        ReportError: the runs cannot be reported.
    """
    tables = [table for page in pages(read_runs(paths)) for table in page.tables[: page.headline]]
    return "\n".join(map(markdown, tables))


def fill_block(paths: Sequence[Path], file: Path, name: str, *, check: bool = False) -> None:
    """Put the headline tables of the runs into a marked block of a Markdown file.

    Args:
        paths: run folders, or folders that contain some.
        file: the Markdown file.
        name: the block `<!-- generated: NAME -->` … `<!-- end -->`.
        check: change nothing, and raise where the block is not what the runs give.

    Raises:
        ReportError: the check fails, the file or the block is missing, or the runs cannot be
            reported.
    """
    fill(file, name, block_text(paths), check=check)
