"""Tables as text: terminal, Markdown, LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from benchmarks.record.visible import visible
from benchmarks.report.tables import Cell, Column, RowT, Table, table_of

_SYMBOLS = {
    "±": r"\pm",
    "−": "-",
    "→": r"\to",
    "†": r"^\dagger",
    "λ": r"\lambda",
    "Ω": r"\Omega",
    "₀": "_0",
    "₁": "_1",
    "⁶": "^6",
    "√": r"\surd",
    "·": r"\cdot",
}
_IN_LATEX = str.maketrans(
    {
        **{letter: rf"\{letter}" for letter in "&%$#_{}"},
        **{letter: f"${command}$" for letter, command in _SYMBOLS.items()},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "–": "--",
    }
)


def print_table(table: Table, output: IO[str] | None = None) -> None:
    """Print a table to the terminal or another stream; split it in two if it is too wide."""
    console = Console(file=output, highlight=False)
    everything = list(range(len(table.header)))
    parts = [everything]
    unlimited = console.options.update_width(10_000)
    if Measurement.get(console, unlimited, _rich(table, everything)).maximum > console.width:
        parts = [everything[: table.narrow], [0, *everything[table.narrow :]]]
    if table.lead:
        console.print("\n", _text(table.lead), sep="")
    console.print("\n", _text(table.title, "bold"), sep="")
    for columns in parts:
        console.print()
        console.print(_rich(table, columns))
    console.print()
    for note in table.notes:
        console.print(_text(note, "dim"))


def _rich(table: Table, columns: list[int]) -> RichTable:
    shown = RichTable(box=None, padding=(0, 1), header_style="bold")
    for column in columns:
        shown.add_column(_text(table.header[column]), justify="right" if column else "left")
    for row in table.rows:
        cells = (row[column] for column in columns)
        shown.add_row(*(_text(cell.text, "bold" if cell.best else "") for cell in cells))
    return shown


def _text(text: str, style: str = "") -> Text:
    return Text(visible(text), style)


def markdown(table: Table) -> str:
    """Write the table in Markdown, with its lead and title above and its notes below."""
    rule = f"| --- |{' ---: |' * (len(table.header) - 1)}"
    lead = filter(None, [table.lead])
    return "\n\n".join([*lead, f"**{table.title}**", _grid(table, rule), *table.notes]) + "\n"


def bare_markdown(columns: Sequence[Column[RowT]], rows: Iterable[RowT]) -> str:
    """Write columns as a table in Markdown, aligned to the left, without title and notes."""
    return _grid(table_of("", "", columns, rows), f"|{'---|' * len(columns)}")


def _grid(table: Table, rule: str) -> str:
    """Write the cells of a table in Markdown; the rule below the header aligns the columns."""

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    def cell(cell: Cell) -> str:
        return f"**{cell.text}**" if cell.best else cell.text

    return "\n".join([line(table.header), rule, *(line(map(cell, row)) for row in table.rows)])


def latex_file(tables: Sequence[Table]) -> str:
    """Write the tables as a LaTeX file that names the packages it needs."""
    packages = " and ".join(rf"\usepackage{{{name}}}" for name in ("booktabs", "adjustbox"))
    return "\n".join([f"% These tables need {packages}.", *map(latex, tables)])


def latex(table: Table) -> str:
    """Write the table as a LaTeX float, at most as wide as the text, with booktabs and adjustbox."""
    columns = "l" + "r" * (len(table.header) - 1)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(table.title)}.}}",
        rf"\label{{tab:{table.name}}}",
        r"\small",
        r"\begin{adjustbox}{max width=\linewidth}",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        " & ".join(map(_escaped, table.header)) + r" \\",
        r"\midrule",
        *(" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{adjustbox}",
        "",
        r"\smallskip\footnotesize\raggedright",
        *(rf"{_escaped(note)}\par" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_cell(cell: Cell) -> str:
    return rf"\textbf{{{_escaped(cell.text)}}}" if cell.best else _escaped(cell.text)


def _escaped(text: str) -> str:
    return text.translate(_IN_LATEX)
