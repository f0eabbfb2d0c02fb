"""The report itself, printed, written to files, or as text for a document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from matplotlib import rc_context

from benchmarks.record.files import write_atomically
from benchmarks.report.figures.drawing import REPORT_STYLE, render
from benchmarks.report.formats import latex_file, markdown, print_table
from benchmarks.report.html_page import html
from benchmarks.report.numbers.runs import ReportError, read_runs
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
    stream: IO[str] | None = None,
) -> list[Path]:
    """Print the tables of all finished runs under the paths; write files to a folder, and return them.

    Without an output folder nothing is written; by default it gets all `FORMATS`.

    Raises:
        ReportError: There is nothing to report, or runs cannot be in one table.
    """
    runs = read_runs(paths)
    found, left_out = pages(runs), not_reported(runs, paths)
    for page in found:
        for table in page.tables:
            print_table(table, stream)
    if left_out is not None:
        print_table(left_out, stream)
    if output is None:
        return []
    contents = _files(found, left_out, formats or FORMATS)
    for name, content in contents.items():
        write_atomically(output / name, content)
    return [output / name for name in contents]


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
            with rc_context(REPORT_STYLE):
                figure = captioned.draw()
            files = {kind: render(figure, kind) for kind in kinds}
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
            for t in (*p.tables, *provenance(p))
        ]
        shown = [one for name, one in named if name == table]
        if not shown:
            names = ", ".join(name for name, _ in named)
            raise ReportError(f"there is no table {table!r}; there are {names}")
    return "\n".join(map(markdown, shown))
