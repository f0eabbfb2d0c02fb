"""The report itself: printed, written to files, or put into a marked block of a Markdown file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from benchmarks.files import write_atomically
from benchmarks.report.arguments import FORMATS
from benchmarks.report.blocks import fill
from benchmarks.report.figures import figures, render
from benchmarks.report.formats import as_csv, latex, markdown, print_table
from benchmarks.report.runs import Group, group, read_runs
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
    runs = read_runs(paths)
    for one in group(runs):
        summaries = summarise(one)
        for table in tables(one, summaries):
            print_table(table, stream)
        if output is not None:
            written += _write_files(one, summaries, output, formats or FORMATS)
    tuning = sum(run.for_tuning for run in runs)
    if tuning:
        print(f"Left out: runs on validation data, which are for tuning ({tuning}).", file=stream)
    return written


def _write_files(
    one: Group, summaries: list[Summary], output: Path, formats: Sequence[str]
) -> list[Path]:
    contents: dict[str, bytes] = {}
    shown = tables(one, summaries)
    if "markdown" in formats:
        contents[f"{one.name}.md"] = "\n".join(map(markdown, shown)).encode()
    if "csv" in formats:
        contents[f"{one.name}.csv"] = as_csv(one, summaries).encode()
    if "latex" in formats:
        contents[f"{one.name}.tex"] = "\n".join(map(latex, shown)).encode()
    if "figures" in formats:
        for name, figure in figures(one, summaries).items():
            for kind in ("png", "pdf"):
                contents[f"{one.name}-{name}.{kind}"] = render(figure, kind)
    for name, content in contents.items():
        write_atomically(output / name, content)
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
    groups = group(read_runs(paths))
    content = "\n".join(markdown(tables(one, summarise(one))[0]) for one in groups)
    fill(file, name, content, check=check)
