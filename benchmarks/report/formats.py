"""Tables as text: terminal, Markdown, LaTeX; and every number of a group as CSV."""

from __future__ import annotations

import csv
import io
from typing import IO

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from benchmarks.report.runs import Group
from benchmarks.report.summary import Stat, Summary
from benchmarks.report.tables import Cell, Table

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "→": r"$\to$",
    "†": r"$^\dagger$",
    "λ": r"$\lambda$",
    "⁶": r"$^6$",
}


def print_table(table: Table, output: IO[str] | None = None) -> None:
    """Print a table to the terminal, or to another stream; cut in two where it is too wide."""
    console = Console(file=output, highlight=False)
    everything = list(range(len(table.header)))
    parts = [everything]
    unlimited = console.options.update_width(10_000)
    if Measurement.get(console, unlimited, _rich(table, everything)).maximum > console.width:
        parts = [everything[: table.narrow], [0, *everything[table.narrow :]]]
    console.print("\n", Text(table.title, style="bold"), sep="")
    for columns in parts:
        console.print()
        console.print(_rich(table, columns))
    console.print()
    for note in table.notes:
        console.print(Text(note, style="dim"))


def _rich(table: Table, columns: list[int]) -> RichTable:
    shown = RichTable(box=None, padding=(0, 1), header_style="bold")
    for column in columns:
        shown.add_column(table.header[column], justify="right" if column else "left")
    for row in table.rows:
        cells = (row[column] for column in columns)
        shown.add_row(*(Text(cell.text, style="bold" if cell.best else "") for cell in cells))
    return shown


def markdown(table: Table) -> str:
    """The table in Markdown, its title above and its notes below."""

    def line(cells: list[str]) -> str:
        return f"| {' | '.join(cells)} |"

    def cell(cell: Cell) -> str:
        return f"**{cell.text}**" if cell.best else cell.text

    lines = [
        f"**{table.title}**",
        "",
        line(table.header),
        line(["---", *["---:"] * (len(table.header) - 1)]),
        *(line([cell(c) for c in row]) for row in table.rows),
    ]
    for note in table.notes:
        lines += ["", note]
    return "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    """The table as a LaTeX float for the package booktabs."""
    columns = "l" + "r" * (len(table.header) - 1)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(table.title)}.}}",
        rf"\label{{tab:{table.name}}}",
        r"\small",
        rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        " & ".join(map(_escaped, table.header)) + r" \\",
        r"\midrule",
        *(" & ".join(map(_latex_cell, row)) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\smallskip\footnotesize",
        *(rf"{_escaped(note)}\par" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_cell(cell: Cell) -> str:
    return rf"\textbf{{{_escaped(cell.text)}}}" if cell.best else _escaped(cell.text)


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def as_csv(group: Group, summaries: list[Summary]) -> str:
    """All numbers of a group, unrounded, a row a method; accuracies and forgetting as fractions."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    costs = ("training_seconds", "importance_seconds", "peak_memory_mb", "stored_mb")
    names = ["average_accuracy", "average_forgetting", "learning_accuracy"]
    names += [f"accuracy_at_end:{task}" for task in group.tasks]
    names += [f"forgetting:{task}" for task in group.tasks[:-1]] + list(costs)
    columns = [column for name in names for column in (name, f"{name}:deviation")]
    writer.writerow(["method", "seeds", "strength", *columns])
    for s in summaries:
        drops: list[Stat] | list[None] = s.drops or [None] * (len(group.tasks) - 1)
        stats = [s.accuracy, s.forgetting, s.learned, *s.at_end, *drops, *s.costs]
        seeds = " ".join(map(str, s.seeds))
        writer.writerow(
            [s.method, seeds, _plain(s.strength), *(v for x in stats for v in _pair(x))]
        )
    return text.getvalue()


def _pair(stat: Stat | None) -> tuple[str, str]:
    return ("", "") if stat is None else (_plain(stat.mean), _plain(stat.deviation))


def _plain(value: float | None) -> str:
    return "" if value is None else repr(float(value))
