"""The site is built without a warning, its links lead somewhere, and it needs no network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from inspect import ismodule
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

from tests.benchmarks.chromium import EXECUTABLE, Chromium
from tests.processes import ROOT, run_python

pytest.importorskip("sphinx")

LOADED = {"script": "src", "img": "src", "link": "href", "source": "src"}
"""What a browser loads with a page, by tag and attribute."""


class Page(HTMLParser):
    """The links of a page, what it loads, and the names that links can lead to."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links, self.loaded, self.names = set[str](), set[str](), {"", "top"}
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        if "id" in found:
            self.names.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        elif tag in LOADED and LOADED[tag] in found:
            self.loaded.add(found[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "html"
    done = run_python(
        "-m", "sphinx", "-q", "--fail-on-warning", "--keep-going", "docs", str(folder), cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html")}


def led_to(pages: dict[Path, Page]) -> Iterator[tuple[Path, str, Path, str]]:
    for file, page in pages.items():
        for link in page.links | page.loaded:
            target = urlsplit(link)
            if not target.scheme:
                place = (file.parent / unquote(target.path)).resolve() if target.path else file
                yield file, link, place, unquote(target.fragment)


def test_every_link_leads_somewhere(pages: dict[Path, Page]) -> None:
    for file, link, place, name in led_to(pages):
        assert place.is_file(), (file.name, link)
        assert place not in pages or name in pages[place].names, (file.name, link)


def test_it_loads_nothing_from_elsewhere(pages: dict[Path, Page]) -> None:
    for file, page in pages.items():
        assert not [one for one in page.loaded if urlsplit(one).netloc], file.name


@pytest.mark.skipif(EXECUTABLE is None, reason="no program `chromium` to show it with")
@pytest.mark.parametrize("page", ["index", "method", "search"])
def test_it_works_from_a_file(page: str, site: Path, tmp_path: Path) -> None:
    with Chromium(tmp_path) as browser:
        browser.open(site / f"{page}.html")
        assert {urlsplit(one).scheme for one in browser.requests} <= {"file", "data"}
        assert browser.complaints == []


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "reference").glob("*.md")), ids=lambda p: p.stem
)
def test_it_describes_every_public_name(page: Path, pages: dict[Path, Page], site: Path) -> None:
    names = pages[site / "reference" / f"{page.stem}.html"].names
    assert set(public_names(import_module(f"avalanche_mas.{page.stem}"))) <= names


def public_names(room: ModuleType) -> Iterator[str]:
    """The full names of what `dir` lists of a room, and of the rooms in it."""
    for name in dir(room):
        value = getattr(room, name)
        if ismodule(value):
            yield from public_names(value)
        elif not name.startswith("_"):
            yield f"{room.__name__}.{name}"


@pytest.mark.parametrize("page", ["method", "reference/metrics", "reference/penalty"])
def test_formulas_are_pictures(page: str, site: Path) -> None:
    text = (site / f"{page}.html").read_text(encoding="utf-8")
    source = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert (
        text.count('<svg role="img"') == len(re.findall(r"\$\$.+?\$\$|\$.+?\$", source, re.S)) > 0
    )
    assert "$" not in text.partition("<article")[2].partition("</article>")[0]


def test_every_public_room_has_a_page() -> None:
    rooms = {file.parent.name for file in (ROOT / "avalanche_mas").glob("*/__init__.py")}
    rooms |= {"models", "strategies"}
    assert {page.stem for page in (ROOT / "docs" / "reference").glob("*.md")} == rooms
