"""Paired differences: against an example worked out by hand, and SciPy's own paired t-test."""

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from benchmarks.report.formats import latex, markdown, print_table
from benchmarks.report.html_page import html
from benchmarks.report.numbers.differences import by_seed, difference
from benchmarks.report.pages.comparison import as_csv
from benchmarks.report.pages.comparison import page as comparison
from tests.benchmarks.report.tables import only_group
from tests.benchmarks.run_folders import lower_triangle, rows_of, write_run


def table_of(root):
    (table,) = [t for t in comparison([only_group(root)]).tables if t.name.endswith("-paired")]
    return table


def test_by_hand():
    # d = 1, 2, 6: mean 3, s² = (4 + 1 + 9)/2 = 7; t(0.975, 2) = 4.302653 from a table
    found = difference({0: 3.0, 1: 5.0, 2: 10.0, 9: 100.0}, {2: 4.0, 1: 3.0, 0: 2.0, 8: -100.0})
    half = 4.302653 * math.sqrt(7) / math.sqrt(3)
    assert (found.mean, found.pairs) == (3.0, 3)
    assert found.interval == pytest.approx((3 - half, 3 + half), abs=1e-5)


numbers = st.floats(-1, 1, allow_subnormal=False)


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=12))
def test_as_scipy_has_it(pairs):
    ours, reference = zip(*pairs, strict=True)
    if np.ptp(np.subtract(ours, reference)) < 1e-6:
        return  # SciPy warns that nothing is left of the digits
    found = difference(dict(enumerate(ours)), dict(enumerate(reference)))
    expected = ttest_rel(ours, reference).confidence_interval(0.95)
    assert found.interval == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_one_pair_has_no_interval_and_none_no_difference():
    assert difference({1: 0.5}, {1: 0.25}).interval is None
    assert difference({1: 0.5}, {1: 0.25}).mean == 0.25
    assert difference({1: 0.5}, {2: 0.25}) is None
    assert difference({}, {}) is None


def test_differences_that_are_all_the_same():
    assert difference({0: 0.5, 1: 0.75}, {0: 0.25, 1: 0.5}).interval == (0.25, 0.25)


def test_without_fine_tuning_there_is_nothing_to_be_beside(tmp_path):
    write_run(tmp_path, "mas")
    write_run(tmp_path, "l-mas")
    assert by_seed(only_group(tmp_path)) == []
    assert not [t for t in comparison([only_group(tmp_path)]).tables if "Paired" in t.title]


@pytest.fixture
def runs(tmp_path):
    """MAS with four seeds, of which fine-tuning has three; l-MAS with one of them, SI with none."""
    for seed in range(4):
        write_run(tmp_path, "mas", seed, matrix=lower_triangle(seed))
    for seed in range(3):
        write_run(tmp_path, "fine-tuning", seed, matrix=lower_triangle(10 + seed))
    bottom = np.full((3, 3), np.nan)
    bottom[-1] = 0.9
    write_run(tmp_path, "joint", 0, matrix=bottom)
    write_run(tmp_path, "l-mas", 2, matrix=lower_triangle(20))
    write_run(tmp_path, "si-repaired", 3)
    return tmp_path


def test_the_table_says_how_many_seeds_and_invents_nothing(runs):
    table = table_of(runs)
    rows = rows_of(table)
    assert list(rows) == ["SI repaired", "MAS", "l-MAS", "Joint training"]
    means = [lower_triangle(s)[2].mean() - lower_triangle(10 + s)[2].mean() for s in range(3)]
    interval = ttest_rel(
        [lower_triangle(s)[2].mean() for s in range(3)],
        [lower_triangle(10 + s)[2].mean() for s in range(3)],
    ).confidence_interval(0.95)
    assert rows["MAS"][:3] == [
        "3",
        f"{100 * np.mean(means):+.1f}".replace("-", "−"),
        f"[{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]".replace("-", "−"),
    ]
    assert rows["l-MAS"][0] == "1"
    assert rows["l-MAS"][2] == rows["l-MAS"][4] == "–"
    assert rows["l-MAS"][1] != "–"
    assert rows["SI repaired"] == ["0", "–", "–", "–", "–"]
    assert rows["Joint training"][3:] == ["–", "–"]
    said = " ".join(table.notes)
    assert "mean ± t(0.975, n − 1) · s / √n" in said
    assert "one seed, so no interval (l-MAS, Joint training)" in said
    assert "no seed (SI repaired)" in said


def test_the_table_comes_after_the_headline_in_every_format(runs):
    page = comparison([only_group(runs)])
    table = page.tables[page.headline]
    assert table.name == "eight-tasks-paired"
    interval = rows_of(table)["MAS"][2]
    terminal = io.StringIO()
    print_table(table, terminal)
    for text in (
        terminal.getvalue(),
        markdown(table),
        html([(page, dict.fromkeys(page.figures, b""))]),
    ):
        assert interval in text
    assert interval.replace("−", "$-$") in latex(table)
    assert latex(table).isascii()


def test_as_numbers(runs):
    rows = {r["method"]: r for r in csv.DictReader(io.StringIO(as_csv([only_group(runs)])))}
    (mas,) = [one for one in by_seed(only_group(runs)) if one.method == "mas"]
    row = rows["mas"]
    assert float(row["difference_accuracy"]) == mas.accuracy.mean
    assert float(row["difference_forgetting:low"]) == mas.forgetting.interval[0]
    assert float(row["difference_forgetting:high"]) == mas.forgetting.interval[1]
    assert row["difference_forgetting:pairs"] == "3"
    assert rows["l-mas"]["difference_accuracy:low"] == ""
    assert (
        rows["fine-tuning"]["difference_accuracy"]
        == rows["si-repaired"]["difference_accuracy"]
        == ""
    )
