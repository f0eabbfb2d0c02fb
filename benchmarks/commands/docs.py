"""The command `docs`: fill the numbers and pictures of the documents from result files."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.commands.parser import CommandError, Parser
from benchmarks.experiments.protocols import PROTOCOLS, Default
from benchmarks.record.files import RESULTS, ROOT, read_json, write_atomically
from benchmarks.report import ReportError, block_text, fill, print_report
from benchmarks.report.figures.drawing import render
from benchmarks.report.formats import bare_markdown, markdown
from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.pages import (
    architectures,
    avalanche_tests,
    curves,
    fuzz,
    kills,
    setups,
    stability,
    suites,
    worth,
)
from benchmarks.report.tables import Column, Table


def main(arguments: Sequence[str]) -> int:
    """Fill or check the blocks of the documents, and draw their pictures from `benchmarks/results`."""
    parser = Parser(
        prog="python -m benchmarks docs",
        description="Fill the generated blocks of README.md and docs from benchmarks/results.",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing, and fail if a block is out of date; pictures are not checked",
    )
    check = parser.parse_args(arguments).check
    shown = set[tuple[str, str]]()
    try:
        for document in documents():
            text = document.read_text(encoding="utf-8")
            for name in block_names(text):
                fill(document, name, content(name), check=check)
            shown |= pictured(text)
        for example in sorted((ROOT / "docs" / "examples").glob("*.py")):
            fill_output(example, check=check)
        for folder in () if check else sorted({folder for folder, _ in shown}):
            draw(folder, {name for place, name in shown if place == folder})
    except (ValueError, OSError) as error:
        raise CommandError(str(error)) from error
    return 0


def documents() -> list[Path]:
    """Return the documents that may have generated blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def fill_output(example: Path, *, check: bool) -> None:
    """Write what an example printed when it was recorded into its docstring, or check that it is there.

    Raises:
        ReportError: The check fails, or the docstring has no place for it.
    """
    text = example.read_text(encoding="utf-8")
    before, heading, rest = text.partition("\nOutput:\n\n")
    _, end, code = rest.partition('\n"""\n')
    wanted = f"{before}{heading}{printed(example.stem)}{end}{code}"
    if not end or (check and text != wanted):
        raise ReportError(f"{example} does not end its docstring with the recorded output")
    if text != wanted:
        write_atomically(example, wanted)


def printed(example: str) -> str:
    """Return what an example printed when it was recorded; `.ci/examples.py` does that."""
    return str(read_json(RESULTS / "examples.json")[example])


def block_names(text: str) -> list[str]:
    """Return the names of a text's marked blocks; see `content` for what they mean."""
    return re.findall(r"^<!-- generated: (\S+) -->$", text, re.MULTILINE)


def pictured(text: str) -> set[tuple[str, str]]:
    """Return the figures that a text shows: their folders in `benchmarks/results`, and their names."""
    return set(re.findall(r"benchmarks/results/figures/([^/)]+)/([^/)]+)\.png", text))


def content(name: str) -> str:
    """Return the content of the block of that name.

    Args:
        name: A folder in `benchmarks/results` for the headline tables of its runs, `FOLDER/TABLE` for
            another of their tables, or `KIND-NAME` or `KIND` for what is not made of runs; see `TABLES`.

    Raises:
        ReportError: The runs cannot be reported, or there is no such table or suite.
        OSError: The suite was not recorded.
    """
    kind, _, rest = name.partition("-")
    if kind in TABLES:
        return TABLES[kind](rest)
    folder, _, table = name.partition("/")
    return block_text([RESULTS / folder], table or None)


def draw(folder: str, names: Collection[str]) -> None:
    """Draw figures of a folder in `benchmarks/results`: of the files with these names, or of its runs."""
    pictures = RESULTS / "figures" / folder
    if not any((RESULTS / folder).glob("*.json")):
        print_report([RESULTS / folder], pictures, formats=["figures"], stream=io.StringIO())
        return
    for name in sorted(names):
        found = read_json(RESULTS / folder / f"{name}.json")
        (picture,) = render(partial(_figure_of(folder, name), found), "png")
        write_atomically(pictures / f"{name}.png", picture)


def _figure_of(folder: str, name: str) -> Callable[[Any], Figure]:
    """Return what draws a recorded file."""
    if folder != "speed":
        return {"stability": stability.figure, "tuning": curves.figure}[folder]
    from benchmarks.commands.speed import SUITES

    figure: Callable[[Any], Figure] = SUITES[name].figure
    return figure


def stability_table(source: str) -> str:
    """Return a table of the recorded study of the penalty's stability in Markdown."""
    source, _, name = source.partition("/")
    table = stability.clipped_table if name == "clipped" else stability.table
    return markdown(table(read_json(RESULTS / "stability" / f"{source}.json")))


def speed_table(source: str) -> str:
    """Return a table of a recorded speed suite in Markdown, with the machine it ran on.

    Args:
        source: `SUITE` for its first table, `SUITE/PART` for another.
    """
    from benchmarks.commands.speed import SUITES

    name, _, part = source.partition("/")
    if name not in SUITES:
        raise ReportError(f"there is no speed suite {name!r}; there are {', '.join(SUITES)}")
    tables = {"": SUITES[name].table, **getattr(SUITES[name], "PARTS", {})}
    if part not in tables:
        raise ReportError(
            f"{name} has no table {part!r}; there are {', '.join(filter(None, tables))}"
        )
    found = read_json(RESULTS / "speed" / f"{name}.json")
    machine = found["machine"]
    where = f"{machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}"
    return f"{tables[part](found)}\n\nMeasured on: {where}."


def architectures_table(family: str) -> str:
    """Return the table of a family of networks, or the `summary` of all, in Markdown."""
    folder = RESULTS / "architectures"
    if family != "summary":
        return markdown(architectures.table(family, read_json(folder / f"{family}.json")))
    files = sorted(folder.glob("*.json"))
    return markdown(architectures.summary({file.stem: read_json(file) for file in files}))


def protocol_table(name: str) -> str:
    """Return the table of a protocol's defaults in Markdown, each with its source."""
    protocol = PROTOCOLS[name]
    rows = {f"--{option.replace('_', '-')}": one for option, one in protocol.values.items()}
    rows.update((f"--strength {name}", one) for name, one in protocol.strengths.items())
    columns: list[Column[tuple[str, Default]]] = [
        Column("option", lambda row: f"`{row[0]}`"),
        Column("value", lambda row: "none" if row[1].value is None else str(row[1].value)),
        Column("source", lambda row: row[1].source),
    ]
    return bare_markdown(columns, rows.items())


def worth_sentences(folder: str) -> str:
    """Return what MAS offers, in two sentences, from the runs of a folder in `benchmarks/results`."""
    (found,) = group(read_runs([RESULTS / folder]))
    return worth.worth(found)


def _recorded(table: Callable[[Any], Table], file: str) -> Callable[[str], str]:
    """Return what writes the table of a file, whose name may hold the rest of the block's name."""
    return lambda rest: markdown(table(read_json(RESULTS / file.format(rest))))


TABLES = {
    "example": lambda name: f"```text\n{printed(name)}\n```",
    "architectures": architectures_table,
    "avalanche": _recorded(avalanche_tests.table, "avalanche-{}.json"),
    "curves": _recorded(curves.table, "tuning/{}.json"),
    "fuzz": lambda by: markdown(fuzz.table(by, read_json(RESULTS / "fuzz.json"))),
    "kills": _recorded(kills.table, "kills.json"),
    "protocol": protocol_table,
    "setups": _recorded(setups.table, "setups.json"),
    "speed": speed_table,
    "stability": stability_table,
    "suites": _recorded(suites.table, "suites.json"),
    "worth": worth_sentences,
}
"""Tables of results that are no runs: functions of the rest of a block's name, `KIND-NAME` or `KIND`."""
