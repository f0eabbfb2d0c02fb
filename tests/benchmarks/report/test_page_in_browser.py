"""The HTML report in a real browser: sorting, narrow screens, dark, paper, and nothing fetched."""

import base64

import pytest

from tests.benchmarks.chromium import EXECUTABLE, Chromium

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="no program `chromium` to show it with")

METHODS = "#eight-tasks-accuracy tbody th"
ACCURACY = "#eight-tasks-accuracy td:nth-child(2)"
SECOND = "#eight-tasks-accuracy thead th:nth-child(2)"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(chromium, report_page):
    """The page, freshly opened in a wide window."""
    chromium.send("Emulation.setScriptExecutionDisabled", value=False)
    chromium.emulate()
    chromium.resize(1280)
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.open(report_page)
    return chromium


def texts(browser, selector):
    return browser.run(f"[...document.querySelectorAll('{selector}')].map(e => e.textContent)")


def accuracies(browser):
    found = [text.split()[0] for text in texts(browser, ACCURACY)]
    return [float(text.replace("−", "-")) for text in found if text != "–"]


def sorting(browser):
    return browser.run(f"document.querySelector('{SECOND}').getAttribute('aria-sort')")


def test_a_click_sorts_up_then_down_then_back(browser):
    before = texts(browser, METHODS)
    assert sorting(browser) is None
    browser.click(f"{SECOND} button")
    assert sorting(browser) == "ascending"
    assert accuracies(browser) == sorted(accuracies(browser))
    assert texts(browser, METHODS) != before
    browser.click(f"{SECOND} button")
    assert sorting(browser) == "descending"
    assert accuracies(browser) == sorted(accuracies(browser), reverse=True)
    browser.click(f"{SECOND} button")
    assert sorting(browser) is None
    assert texts(browser, METHODS) == before


@pytest.mark.parametrize("key", ["Enter", " "])
def test_the_keyboard_sorts(browser, key):
    browser.run("document.querySelector('#eight-tasks-accuracy .scroll').focus()")
    browser.press("Tab")
    browser.press("Tab")
    assert browser.run(f"document.querySelector('{SECOND}').contains(document.activeElement)")
    browser.press(key)
    assert sorting(browser) == "ascending"
    assert accuracies(browser) == sorted(accuracies(browser))


def test_what_is_not_there_comes_last_in_both_directions(browser):
    third = "#eight-tasks-accuracy thead th:nth-child(3) button"
    for _ in range(2):
        browser.click(third)
        assert texts(browser, METHODS)[-1] == "Joint training"


def test_one_column_at_a_time_is_said_to_be_sorted(browser):
    browser.click(f"{SECOND} button")
    browser.click("#eight-tasks-accuracy thead th:first-child button")
    assert sorting(browser) is None
    found = texts(browser, METHODS)
    assert found == sorted(found, key=str.casefold)


def test_numbers_are_sorted_as_numbers_and_words_as_words(browser):
    browser.click("#eight-tasks-tradeoff thead th:nth-child(2) button")
    strengths = texts(browser, "#eight-tasks-tradeoff td:nth-child(2)")
    assert strengths[:6] == ["0.1", "0.1", "1", "1", "10", "10"]
    assert strengths[-2:] == ["–", "–"]
    browser.click("#eight-tasks-runs thead th:last-child button")
    folders = texts(browser, "#eight-tasks-runs td:last-child")
    assert folders[:2] == ["ebll/seed0", "ebll/seed1"]


def test_nothing_is_fetched_and_nothing_complained_about(browser, report_page):
    asked = {address for address in browser.requests if not address.startswith("data:")}
    assert asked == {report_page.as_uri()}
    assert browser.complaints == []
    drawn = browser.run("[...document.images].map(i => i.complete && i.naturalWidth > 0)")
    assert drawn
    assert all(drawn)


def test_what_would_be_fetched_or_executed_is_refused(browser):
    """The page's own rules hold, should any text ever get past the escaping."""
    browser.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://a.example/x\">')"
    )
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"hit=1\">')")
    browser.run("new Promise(done => setTimeout(done, 200))")
    assert browser.run("typeof hit") == "undefined"
    assert any("Content Security Policy" in str(said) for said in browser.complaints)


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_is_never_wider_than_the_window(browser, width):
    browser.resize(width)
    shown = browser.run("[document.documentElement.clientWidth, visualViewport.scale]")
    assert shown[0] in (width, width - 15)  # the scroll bar of a large screen
    assert shown[1] == 1
    assert browser.run("document.documentElement.scrollWidth") == shown[0]
    wide = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
    assert browser.run(f"{wide}.length") > 0  # it is the boxes that scroll


MAIN = "#eight-tasks-accuracy"


def test_a_wide_window_shows_the_whole_main_table(browser):
    box = f"document.querySelector('{MAIN} .scroll')"
    assert browser.run(f"[{box}.scrollWidth <= {box}.clientWidth, {box}.className]") == [
        True,
        "scroll",
    ]


def test_a_phone_shows_each_method_with_its_accuracy_and_forgetting(browser):
    browser.resize(390, 844)
    rows = browser.run(
        f"[...document.querySelectorAll('{MAIN} tbody tr')].map(row => [...row.cells].slice(0, 3)"
        ".map(cell => cell.getBoundingClientRect()).map(box => [box.left, box.right]).flat())"
    )
    for left, *_, right in rows:
        assert 0 <= left < right <= 390


def test_what_a_box_hides_is_shown_to_go_on(browser):
    browser.resize(390, 844)
    box = f"document.querySelector('{MAIN} .scroll')"
    soon = "new Promise(done => setTimeout(done, 200))"
    browser.run(soon)
    assert browser.run(f"{box}.classList.contains('more')")
    browser.run(f"{box}.scrollLeft = {box}.scrollWidth; {soon}")
    assert not browser.run(f"{box}.classList.contains('more')")


def test_tables_are_there_without_scripts(browser, report_page):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(report_page)
    root = browser.send("DOM.getDocument")["root"]["nodeId"]
    found = browser.send("DOM.querySelectorAll", nodeId=root, selector="td")["nodeIds"]
    assert len(found) > 500
    buttons = browser.send("DOM.querySelectorAll", nodeId=root, selector="button")["nodeIds"]
    assert buttons == []


def test_light_and_dark(browser):
    def colours():
        style = "getComputedStyle(document.body)"
        return browser.run(f"[{style}.backgroundColor, {style}.color]")

    light = colours()
    browser.emulate(scheme="dark")
    dark = colours()
    assert light[0] == "rgb(255, 255, 255)"
    assert (
        max(map(int, dark[0][4:-1].split(","))) < 40 < 200 < min(map(int, dark[1][4:-1].split(",")))
    )


def test_on_paper_no_table_is_cut_off(browser):
    browser.emulate(medium="print")
    browser.resize(1031)  # A4 across without its margins: 273 mm
    cut = (
        "[...document.querySelectorAll('table, img')]"
        ".filter(e => e.getBoundingClientRect().right > document.body.clientWidth + 1)"
        ".map(e => e.closest('[id]').id)"
    )
    assert browser.run(cut) == []
    browser.emulate(medium="")
    printed = browser.send("Page.printToPDF", preferCSSPageSize=True)
    paper = base64.b64decode(printed["data"])
    assert paper.startswith(b"%PDF")
    assert paper.count(b"/Type /Page\n") > 5
