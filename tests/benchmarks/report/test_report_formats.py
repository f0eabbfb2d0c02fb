"""Tables in Markdown, LaTeX and on the terminal; blocks in documents."""

import io

import pytest

from benchmarks.report.blocks import fill, with_block
from benchmarks.report.formats import latex, latex_file, markdown, print_table
from benchmarks.report.numbers.runs import ReportError
from benchmarks.report.numbers.summary import summarise
from benchmarks.report.write import block_text
from tests.benchmarks.report.tables import only_group, tables
from tests.benchmarks.run_folders import write_run


def test_markdown_and_latex_have_all_cells(three_seeds):
    found = only_group(three_seeds)
    for table in tables(found, summarise(found)):
        lines = [line for line in markdown(table).splitlines() if line.startswith("|")]
        assert {line.count("|") for line in lines} == {len(table.header) + 1}
        assert len(lines) == len(table.rows) + 2
        body = [line for line in latex(table).splitlines() if line.endswith(r"\\")]
        assert {line.count("&") for line in body} == {len(table.header) - 1}
        assert len(body) == len(table.rows) + 1
        assert sum(cell.best for row in table.rows for cell in row) == latex(table).count(
            r"\textbf"
        )
        assert latex(table).isascii()


def test_latex_tables_are_never_wider_than_the_text(three_seeds):
    found = only_group(three_seeds)
    text = latex_file(tables(found, summarise(found)))
    head, *_ = text.splitlines()
    assert head.startswith("%")
    for package in ("booktabs", "adjustbox"):
        assert rf"\usepackage{{{package}}}" in head
    tabulars = text.split(r"\begin{tabular}")
    assert len(tabulars) == 3
    assert all(part.endswith("{adjustbox}{max width=\\linewidth}\n") for part in tabulars[:-1])


def test_latex_escapes(tmp_path):
    write_run(tmp_path, "my_method & more")
    found = only_group(tmp_path)
    assert r"my\_method \& more &" in latex(tables(found, summarise(found))[0])


@pytest.mark.parametrize("width", [60, 200])
def test_terminal_table_is_cut_in_two_where_it_is_too_wide(three_seeds, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    found, text = only_group(three_seeds), io.StringIO()
    table = tables(found, summarise(found))[0]
    print_table(table, text)
    lines = [line.strip() for line in text.getvalue().splitlines()]
    assert sum(line.startswith("Method") for line in lines) == (2 if width == 60 else 1)
    words = text.getvalue().split()
    for row in table.rows:
        for cell in row:
            assert set(cell.text.split()) <= set(words)


PAGE = "# Title\n\n<!-- generated: results -->\nold\n<!-- end -->\n\nafter\n<!-- end -->\n"


def test_a_block_is_filled_and_checked(three_seeds, tmp_path_factory):
    page = tmp_path_factory.mktemp("page") / "README.md"
    page.write_text(PAGE)
    content = block_text([three_seeds])
    with pytest.raises(ReportError, match="is not what the results give"):
        fill(page, "results", content, check=True)
    assert page.read_text() == PAGE
    fill(page, "results", content)
    text = page.read_text()
    assert text.startswith("# Title\n\n<!-- generated: results -->\nFine-tuning has the highest")
    assert "\n\n**Accuracy after" in text
    assert text.endswith("\n<!-- end -->\n\nafter\n<!-- end -->\n")
    fill(page, "results", content, check=True)
    page.write_text(text.replace(" ± ", " ± 1", 1))
    with pytest.raises(ReportError, match="is not what the results give"):
        fill(page, "results", content, check=True)


OPEN = "<!-- generated: results -->\nold\n<!-- generated: other -->\n<!-- end -->\n"


@pytest.mark.parametrize("page", ["nothing", PAGE + PAGE, OPEN], ids=["none", "two", "no end"])
def test_a_block_has_to_be_there_once(page):
    with pytest.raises(ReportError, match="expected one block"):
        with_block(page, "results", "new")
