"""The report itself, printed, written to files, or as text for a document."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from benchmarks.record.files import write_atomically
from benchmarks.report.figures.drawing import render
from benchmarks.report.formats import latex_file, markdown, print_table
from benchmarks.report.html_page import html
from benchmarks.report.numbers.runs import (
    DamagedRunError,
    FinishedRun,
    ReportError,
    finished_folders,
    read_run,
    read_runs,
)
from benchmarks.report.page import Page
from benchmarks.report.pages.forms import pages
from benchmarks.report.pages.left_out import not_reported
from benchmarks.report.pages.provenance import provenance
from benchmarks.report.tables import Table, once

FORMATS = ("html", "markdown", "csv", "latex", "figures")
"""The formats of a report."""


def print_report(
    paths: Sequence[Path],
    output: Path | None = None,
    *,
    formats: Sequence[str] | None = None,
    omega: bool = False,
    stream: IO[str] | None = None,
) -> list[Path]:
    """Print the tables of all finished runs under the paths; write files to a folder, and return them.

    The main tables are printed last. Runs whose folder is damaged are left out, with a warning.

    Args:
        paths: Run folders, or folders that contain some.
        output: The folder for the files; without it nothing is written.
        formats: Those of `FORMATS` to write; by default all.
        omega: Whether to include the tables of Ω by layer.
        stream: Where to print, by default the terminal.

    Raises:
        ReportError: There is nothing to report, or runs cannot be in one table.
    """
    read = list(map(_read, finished_folders(paths)))
    found, runs, damaged = _pages(
        [one for one in read if isinstance(one, FinishedRun)],
        [one for one in read if isinstance(one, DamagedRunError)],
    )
    for error in damaged:
        print(f"warning: left out {error.folder}: {error}", file=sys.stderr)
    left_out = not_reported(runs, paths, damaged)
    if omega:
        found = [replace(page, tables=[*page.tables, *page.on_request]) for page in found]
    details = [table for page in found for table in page.tables[page.headline :]]
    main = [table for page in found for table in reversed(page.tables[: page.headline])]
    for table in filter(None, (left_out, *details, *main)):
        print_table(table, stream)
    if output is None:
        return []
    contents = _files(found, left_out, formats or FORMATS)
    for name, content in contents.items():
        write_atomically(output / name, content)
    return [output / name for name in contents]


def _read(folder: Path) -> FinishedRun | DamagedRunError:
    try:
        return read_run(folder)
    except DamagedRunError as error:
        return error


def _pages(
    runs: list[FinishedRun], damaged: list[DamagedRunError]
) -> tuple[list[Page], list[FinishedRun], list[DamagedRunError]]:
    """Return the pages of the runs, which of them are in order, and what is wrong with the others."""
    if not runs:
        raise damaged[0]
    try:
        return pages(runs), runs, damaged
    except DamagedRunError as error:
        rest = [run for run in runs if run.folder != error.folder]
        return _pages(rest, [*damaged, error])


def _files(
    found: Sequence[Page], left_out: Table | None, formats: Sequence[str]
) -> dict[str, bytes | str]:
    """Return the contents of all files by name."""
    contents: dict[str, bytes | str] = {}
    drawn: list[tuple[Page, dict[str, bytes]]] = []
    for page in found:
        if "markdown" in formats:
            contents[f"{page.name}.md"] = "\n".join(map(markdown, once(page.tables)))
        if "csv" in formats:
            contents[f"{page.name}.csv"] = page.as_csv()
        if "latex" in formats:
            contents[f"{page.name}.tex"] = latex_file(page.tables)
        kinds = ["png", "pdf"] * ("figures" in formats) + ["svg"] * ("html" in formats)
        vector = dict[str, bytes]()
        for name, captioned in page.figures.items() if kinds else ():
            files = dict(zip(kinds, render(captioned.draw, *kinds), strict=True))
            if "svg" in files:
                vector[name] = files.pop("svg")
            contents |= {f"{page.name}-{name}.{kind}": file for kind, file in files.items()}
        drawn.append((page, vector))
    if "html" in formats:
        contents["report.html"] = html(drawn, left_out)
    return contents


def block_text(paths: Sequence[Path], table: str | None = None) -> str:
    """Return tables of the runs in Markdown, for a marked block.

    Args:
        paths: Run folders, or folders that contain some.
        table: The end of a table's name, such as "paired", "cost" or "data"; None for the headline
            tables.

    Raises:
        ReportError: The runs cannot be reported, or have no such table.
    """
    found = pages(read_runs(paths))
    if table is None:
        shown = [one for page in found for one in page.tables[: page.headline]]
    else:
        named = [
            (t.name.removeprefix(f"{p.name}-"), t)
            for p in found
            for t in (*p.tables, *p.on_request, *provenance(p))
        ]
        shown = [one for name, one in named if name == table]
        if not shown:
            names = ", ".join(name for name, _ in named)
            raise ReportError(f"there is no table {table!r}; there are {names}")
    return "\n".join(map(markdown, shown))
