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
from benchmarks.report.numbers.differences import OURS, by_seed, holm, minus, of_differences
from benchmarks.report.pages.comparison import as_csv
from benchmarks.report.pages.comparison import page as comparison
from tests.benchmarks.report.tables import only_group
from tests.benchmarks.run_folders import lower_triangle, rows_of, write_run


def table_of(root, end="-paired"):
    (table,) = [t for t in comparison([only_group(root)]).tables if t.name.endswith(end)]
    return table


def difference(ours, reference, comparisons=1):
    return of_differences(minus(ours, reference), comparisons)


def test_by_hand():
    # d = 1, 2, 6: mean 3, s² = (4 + 1 + 9)/2 = 7; t(0.975, 2) = 4.302653 from a table
    found = difference({0: 3.0, 1: 5.0, 2: 10.0, 9: 100.0}, {2: 4.0, 1: 3.0, 0: 2.0, 8: -100.0})
    half = 4.302653 * math.sqrt(7) / math.sqrt(3)
    assert (found.mean, found.pairs) == (3.0, 3)
    assert found.interval == pytest.approx((3 - half, 3 + half), abs=1e-5)


numbers = st.floats(-1, 1, allow_subnormal=False)


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=12), st.integers(1, 30))
def test_as_scipy_has_it(pairs, comparisons):
    ours, reference = zip(*pairs, strict=True)
    if np.ptp(np.subtract(ours, reference)) < 1e-6:
        return  # SciPy warns that nothing is left of the digits
    found = difference(dict(enumerate(ours)), dict(enumerate(reference)), comparisons)
    test = ttest_rel(ours, reference)
    expected = test.confidence_interval(1 - 0.05 / comparisons)
    assert found.interval == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)
    assert found.p == pytest.approx(test.pvalue, rel=1e-6)


def test_corrected_intervals_hold_at_once():
    """Eight methods beside a ninth, which all differences share, in 2000 made-up experiments."""
    chance, true, held = np.random.default_rng(0), np.linspace(-1, 1, 8), {1: 0, 8: 0}
    for _ in range(2000):
        drawn = true - chance.normal(size=(4, 1)) + chance.normal(scale=0.5, size=(4, 8))
        for comparisons in held:
            found = [of_differences(dict(enumerate(d)), comparisons).interval for d in drawn.T]
            held[comparisons] += all(
                low <= t <= high for (low, high), t in zip(found, true, strict=True)
            )
    assert held[1] < 0.9 * 2000
    assert 0.95 * 2000 <= held[8] < 2000


def test_holm_by_hand():
    # ascending 0.01, 0.02, 0.02, 0.5: times 4, 3, 2, 1 and never less than the one before
    assert holm([0.02, 0.5, 0.01, 0.02]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_one_pair_has_no_interval_and_none_no_difference():
    assert difference({1: 0.5}, {1: 0.25}).interval is None
    assert difference({1: 0.5}, {1: 0.25}).mean == 0.25
    assert difference({1: 0.5}, {2: 0.25}) is None
    assert difference({}, {}) is None


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


# --- beside MAS ---


def flat(accuracy, lost=0.1):
    """Accuracies of three tasks at the end that have this mean, two having lost this much."""
    learned = accuracy + lost
    return [[learned, None, None], [learned, learned, None], [accuracy] * 3]


ABOVE = {"mas": 0.0, "ewc": 0.2, "l-mas": 0.001, "fine-tuning": -0.3, "si": -0.3}
STRAY = (0.0, 0.004, -0.003, 0.002)


@pytest.fixture
def beside_mas(tmp_path):
    """EWC is clearly better than MAS, fine-tuning clearly worse; SI as shipped is fine-tuning."""
    for method, above in ABOVE.items():
        for seed, stray in enumerate(STRAY):
            own = above + (stray if method != "mas" else 0.0)
            write_run(tmp_path, method, seed, matrix=flat(0.5 + own, 0.1 - own / 4))
    write_run(tmp_path, "joint", matrix=[[None] * 3, [None] * 3, [0.9] * 3])
    write_run(tmp_path, "imm-mean", 0, matrix=flat(0.9))
    return tmp_path


def test_differences_from_mas_are_corrected_for_their_number(beside_mas):
    table = table_of(beside_mas, "-from-mas")
    rows = rows_of(table)
    assert list(rows) == ["Fine-tuning", "IMM, mean", "EWC as shipped", "l-MAS"]
    expected = ttest_rel([0.7 + stray for stray in STRAY], [0.5] * len(STRAY)).confidence_interval(
        1 - 0.05 / 6
    )
    assert rows["EWC as shipped"][:3] == [
        *("4", "+20.1", f"[{100 * expected.low:+.1f}, {100 * expected.high:+.1f}]")
    ]
    assert rows["IMM, mean"] == ["1", "+40.0", "–", "+0.0", "–"]
    said = " ".join(table.notes)
    assert "t(1 − 0.05 / (2 · 6), n − 1)" in said
    assert "the 6 intervals of this table hold at once" in said
    assert "Not compared: SI as shipped, Joint training (exactly the accuracies" in said
    assert latex(table).isascii()


def test_only_what_the_intervals_show_is_said(beside_mas):
    main = comparison([only_group(beside_mas)]).tables[0]
    assert main.notes[-3:] == [
        "Better than MAS in mean accuracy: EWC as shipped. Worse: Fine-tuning. Not told apart by 4"
        " seeds: l-MAS.",
        "Less forgetting than MAS: EWC as shipped. More: Fine-tuning. Not told apart by 4 seeds:"
        " l-MAS.",
        "Told apart: the 95 % interval of the paired difference from MAS, corrected for 6"
        " comparisons, is above or below zero.",
    ]


def test_what_touches_zero_in_print_is_not_told_apart():
    found = of_differences({0: 0.0004, 1: 0.00041})
    assert found.interval[0] > 0
    assert found.sign == 0
    assert of_differences({0: -0.04, 1: -0.041}).sign == -1


def test_differences_that_are_alike_by_chance_tell_nothing_apart():
    found = of_differences({0: 0.25 - 0.2, 1: 0.35 - 0.3})
    assert found.mean == pytest.approx(0.05)
    assert (found.interval, found.p, found.sign) == (None, None, 0)
    assert of_differences({0: 0.0, 1: 0.0}).interval == (0, 0)


def test_those_that_are_alike_are_not_in_the_correction(tmp_path):
    for seed, noise in enumerate((0.0, 0.01, 0.03)):
        for method, end in (("mas", 0.25), ("ewc", 0.5), ("l-mas", 0.5 + noise)):
            write_run(tmp_path, method, seed, matrix=np.where(np.tri(3), end + seed / 8, np.nan))
    ewc, local = sorted(by_seed(only_group(tmp_path), OURS), key=lambda one: one.method)
    assert ewc.accuracy.interval is None
    alone = of_differences({0: 0.25, 1: 0.26, 2: 0.28}, comparisons=3)
    assert local.accuracy.interval == pytest.approx(alone.interval)


def test_differences_from_mas_as_numbers(beside_mas):
    group = only_group(beside_mas)
    rows = {r["method"]: r for r in csv.DictReader(io.StringIO(as_csv([group])))}
    found = {one.method: one for one in by_seed(group, OURS)}
    ewc = rows["ewc"]
    assert float(ewc["difference_from_mas_accuracy"]) == found["ewc"].accuracy.mean
    assert float(ewc["difference_from_mas_accuracy:low"]) == found["ewc"].accuracy.interval[0]
    assert rows["si"]["difference_from_mas_accuracy"] == pytest.approx(
        rows["fine-tuning"]["difference_from_mas_accuracy"]
    )
    assert rows["mas"]["difference_from_mas_accuracy"] == ""
    raw = [
        ttest_rel([ABOVE[m] + s for s in STRAY], [0.0] * 4).pvalue for m in ("ewc", "fine-tuning")
    ]
    for method, p in zip(("ewc", "fine-tuning"), raw, strict=True):
        assert p < float(rows[method]["difference_from_mas_accuracy:p"]) <= 6 * p + 1e-12


def test_a_single_seed_has_no_columns_of_intervals(tmp_path):
    for method in ("fine-tuning", "mas", "ewc"):
        write_run(tmp_path, method, matrix=flat(0.5 + ABOVE[method]))
    (paired,) = [t for t in comparison([only_group(tmp_path)]).tables if "Paired" in t.title]
    assert paired.header == ["Method", "n", "Mean accuracy, points", "Forgetting, points"]
    assert "Interval" not in " ".join(paired.notes)
    main = comparison([only_group(tmp_path)]).tables[0]
    assert main.notes[-1] == "Too few seeds to say which methods are better or worse than MAS."
