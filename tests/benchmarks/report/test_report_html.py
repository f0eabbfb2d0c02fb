"""The report as one HTML file: all of it is there, nothing of it is from elsewhere or executed."""

import base64
import re
import xml.etree.ElementTree as ET
from email.message import Message
from html.parser import HTMLParser

import pytest

from benchmarks.report import html_page
from benchmarks.report.html_page import numeric
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.pages.forms import pages
from benchmarks.report.pages.provenance import plain, provenance
from benchmarks.report.tables import Cell, Table
from tests.benchmarks.command_lines import report as main
from tests.benchmarks.run_folders import HOSTILE, rows_of, write_run

VOID = {"meta", "link", "img", "wbr"}


class Outline(HTMLParser):
    """The elements of a page, whether they are closed in order, and its text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text.replace("<wbr>", ""))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(report_page):
    return report_page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(text):
    return Outline(text)


def test_every_table_and_figure_is_there(everything, outline):
    written = [re.sub(r"\s+", " ", piece).strip() for piece in outline.text]
    for page in pages(read_runs([everything])):
        assert page.title in written
        for table in page.tables + page.on_request + provenance(page):
            for said in [table.title, *table.header, *table.notes]:
                assert re.sub(r"\s+", " ", said) in written
            for row in table.rows:
                assert {re.sub(r"\s+", " ", cell.text).strip() for cell in row} <= set(written)
        captions = {picture.caption for picture in page.figures.values()}
        assert captions <= {image["alt"] for image in outline.all("img")}


def test_pictures_are_drawings_inside_the_page(outline):
    images = outline.all("img")
    assert len(images) > 10
    for image in images:
        head, _, content = image["src"].partition(",")
        assert head == "data:image/svg+xml;base64"
        assert ET.fromstring(base64.b64decode(content)).tag.endswith("svg")


def test_nothing_is_from_elsewhere(text, outline):
    addresses = [a.get(key) for _, a in outline.elements for key in ("src", "href") if key in a]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"url\(|@import", text)
    (policy,) = [a["content"] for a in outline.all("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_text_of_run_folders_is_not_markup(text, outline):
    assert HOSTILE in " ".join(outline.text)
    assert "<script>alert" not in text
    assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", text)
    assert [name for name, _ in outline.elements].count("script") == 1
    for _, attributes in outline.elements:
        assert not [name for name in attributes if name.startswith("on")]


def test_the_same_runs_give_the_same_file(tmp_path):
    write_run(tmp_path, "mas")
    for output in ("one", "other"):
        arguments = [str(tmp_path), "--output", str(tmp_path / output), "--format", "html"]
        assert main(arguments) == 0
        assert [file.name for file in (tmp_path / output).iterdir()] == ["report.html"]
    texts = [(tmp_path / output / "report.html").read_bytes() for output in ("one", "other")]
    assert texts[0] == texts[1]


def test_what_is_left_out_is_said(outline):
    assert f"failed: ValueError: {HOSTILE}" in outline.text


def test_a_table_is_looked_through_once(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(html_page, "numeric", lambda table: looked.append(table) or numeric(table))
    write_run(tmp_path, "mas")
    (page,) = pages(read_runs([tmp_path]))
    html_page.html([(page, dict.fromkeys(page.figures, b""))])
    assert looked == page.tables + provenance(page)


def test_names_break_after_dots_only(text):
    assert '<th scope="row">body.<wbr>0</th>' in text


def test_which_columns_are_numbers():
    columns = {
        "plain": (["1", "−2.5", "–"], True),
        "spread": (["73.8 ± 1.1 (−1.7) / 29.0", "40.8", "1"], True),
        "interval": (["[+1.0, +2.0]", "–", "[−1.0, +2.0]"], True),
        "power": (["1e-05", "1e+10 (chosen)", "3"], True),
        "day": (["2026-01-01T00:00", "2026-01-02T00:00", "–"], False),
        "words": (["1", "not recorded", "2"], False),
        "version": (["3.11.7", "2", "3"], False),
    }
    rows = [list(map(Cell, row)) for row in zip(*(c for c, _ in columns.values()), strict=True)]
    table = Table("t", "t", list(columns), rows, [], 2)
    assert numeric(table) == [expected for _, expected in columns.values()]
    assert numeric(Table("t", "t", ["a", "b"], [], [], 2)) == [False, False]


# --- what the page says first, and once ---


def test_when_and_with_what(outline, tmp_path):
    head = next(text for text in outline.text if text.startswith("Runs of"))
    assert head == "Runs of 2026-01-01 · torch 2.15.0 · python 3.11.7"
    write_run(tmp_path, "mas", result={"finished": "2026-01-03T00:00:00+00:00"})
    other = write_run(tmp_path, "ewc")
    (other / "versions.json").write_text('{"torch": "2.16.0"}')
    (page,) = pages(read_runs([tmp_path]))
    text = html_page.html([(page, dict.fromkeys(page.figures, b""))])
    assert "Runs of 2026-01-01 to 2026-01-03 · torch 2.15.0, 2.16.0 · python 3.11.7" in text


def test_the_project_is_linked_if_its_package_has_an_address(tmp_path, monkeypatch):
    write_run(tmp_path, "mas")
    (page,) = pages(read_runs([tmp_path]))
    assert "<h1>avalanche-mas: what" in html_page.html([(page, dict.fromkeys(page.figures, b""))])
    package = Message()
    package["Project-URL"] = "Repository, https://project.example/avalanche-mas"
    monkeypatch.setattr(html_page, "metadata", lambda _: package)
    text = html_page.html([(page, dict.fromkeys(page.figures, b""))])
    assert '<h1><a href="https://project.example/avalanche-mas">avalanche-mas</a>: what' in text


def test_the_story_comes_before_the_main_table(text):
    lead = text.index('<p class="story">')
    assert text.index("<h2>") < lead < text.index("<table")


def test_rows_of_mas_stand_out(text):
    marked = re.findall(r'<tr class="ours">\s*<th scope="row">(.*?)</th>', text)
    assert set(marked) == {"MAS", "l-MAS"}
    main = text[text.index("<table") : text.index("</table>")]
    assert main.count('class="ours"') == 2


def test_a_note_of_several_tables_comes_once_on_the_page(text):
    section = text[text.index('<section class="page" id="eight-tasks">') :]
    section = section[: section.index('<section class="page"', 1)]
    for note in ("† a stand-in for this data set", "IMM is evaluated with its merged weights"):
        assert section.count(note) == 1


def test_figures_are_as_wide_as_the_page(outline):
    widths = {int(image["width"]) for image in outline.all("img")}
    assert 0.98 < max(widths) / html_page.PAGE < 1.02


# --- where the numbers come from ---


def tables_on(root, page=0):
    found = pages(read_runs([root]))[page]
    return {table.name.removeprefix(f"{found.name}-"): table for table in provenance(found)}


def test_provenance(tmp_path):
    facts = {"split": "drawn, sha256:12", "agreement": "parts", "left_out": {"broken": 1}}
    result = {"data": [facts] * 3, "stand_ins": ["birds"]}
    samples = {"flowers": [5, 6, 7], "birds": [1, 2, 3], "svhn": [8, 9, 10]}
    common = {"samples": samples, "stand_ins": ["birds"], "optimizer": "SGD"}
    from_ = "tuning on validation data"
    write_run(tmp_path, "mas", 0, strength=0.5, strength_from=from_, result=result, **common)
    other = write_run(tmp_path, "fine-tuning", 1, result=result, **common)
    (other / "versions.json").write_text('{"torch": "2.16.0", "code": {"changed": true}}')
    found = tables_on(tmp_path)
    assert rows_of(found["configuration"])["optimizer"] == ["SGD"]
    versions = found["versions"]
    assert versions.header == ["Field", "Set 1 (1 run)", "Set 2 (1 run)"]
    assert rows_of(versions)["torch"] == ["2.16.0", "2.15.0"]
    assert rows_of(versions)["code"] == ["changed: yes", "–"]
    (other / "versions.json").write_text('{"code": null, "gpu": null}')
    versions = rows_of(tables_on(tmp_path)["versions"])
    assert (versions["code"][0], versions["gpu"][0]) == ("not recorded", "–")
    data = rows_of(found["data"])
    assert data["Birds†"][:5] == ["a stand-in", "5", "1", "2", "3"]
    assert data["Flowers"][5:] == ["drawn, sha256:12", "parts", "broken: 1", "2"]
    runs = {
        row[0].text: dict(zip(found["runs"].header, row, strict=True)) for row in found["runs"].rows
    }
    mas = {name: cell.text for name, cell in runs["MAS"].items()}
    assert (mas["Seed"], mas["λ"], mas["λ from"]) == ("0", "0.5", from_)
    assert (mas["Versions"], mas["Training, s"], mas["Total, s"]) == ("set 2", "3.0", "9.0")
    assert mas["Folder"] == "mas/seed0"


def test_what_old_runs_lack_is_said(tmp_path):
    folder = write_run(tmp_path, "mas", samples={})
    (folder / "versions.json").unlink()
    found = tables_on(tmp_path)
    assert found["versions"].notes == ["Not recorded."]
    assert rows_of(found["data"])["Flowers"][2:8] == ["not recorded"] * 6


def test_drawn_images_are_marked(tmp_path):
    write_run(tmp_path, "mas", source="drawn")
    assert rows_of(tables_on(tmp_path)["data"])["Birds†"][0] == "drawn by code"


def test_what_differs_between_runs_is_a_column(everything):
    runs = tables_on(everything)["runs"]
    assert "strength_grid" in runs.header
    assert "epochs" not in runs.header
    assert "Tasks" in tables_on(everything, page=1)["runs"].header


def test_what_was_chosen_for_each_task(tmp_path):
    def decision(task, rate, reached, *strengths):
        trials = [{"learning_rate": rate, "strength": s, "accuracy": 0.5} for s in strengths]
        chosen = {"learning_rate": rate, "strength": strengths[-1], "reached": reached}
        return {"tasks": [task], **chosen, "best_accuracy": 0.6, "enough": 0.5, "trials": trials}

    decisions = [
        decision("flowers", 0.01, None, None, None),
        decision("birds", 0.005, False, None, 3.0, 1.5),
        decision("svhn", 0.005, True, None, 3.0),
    ]
    write_run(tmp_path, "mas", choose="framework", result={"decisions": decisions})
    rows = [[cell.text for cell in row] for row in tables_on(tmp_path)["decisions"].rows]
    assert rows == [
        ["MAS", "0", "Flowers", "0.01", "–", "–", "2"],
        ["MAS", "0", "Birds", "0.005", "1.5", "no", "3"],
        ["MAS", "0", "SVHN", "0.005", "3 (first)", "yes", "2"],
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        ([], "–"),
        ({}, "–"),
        (True, "yes"),
        (False, "no"),
        (0.1, "0.1"),
        (0, "0"),
        ([1, "a"], "1, a"),
        ({"commit": "abc", "changed": False}, "commit: abc; changed: no"),
    ],
)
def test_values_in_words(value, expected):
    assert plain(value) == expected
