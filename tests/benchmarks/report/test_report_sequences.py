"""The pages of ordered pairs and of several orders, against run folders written by hand."""

import csv
import io

import numpy as np
import pytest
from scipy.stats import ttest_rel

from benchmarks.report.formats import latex
from benchmarks.report.numbers.runs import ReportError, read_runs
from benchmarks.report.pages.forms import pages
from tests.benchmarks.run_folders import rows_of, write_run

PAIRS = {("birds", "cars"): 0.1, ("cars", "birds"): 0.2, ("birds", "svhn"): 0.3}
"""Ordered pairs, and what fine-tuning loses of the first task."""


def only_page(root):
    (page,) = pages(read_runs([root]))
    return page


def write_pair(root, method, tasks, lost, second=0.5, seed=0, **config):
    matrix = [[0.8, None], [0.8 - lost, second]]
    config = {"experiment": "two-tasks", "tasks": list(tasks)} | config
    return write_run(root, method, seed, matrix=matrix, **config)


@pytest.fixture
def pair_runs(tmp_path):
    for tasks, lost in PAIRS.items():
        for seed in range(2):
            stray = 0.02 * seed
            write_pair(tmp_path, "fine-tuning", tasks, lost + stray, 0.6, seed)
            write_pair(tmp_path, "mas", tasks, 0.05 + stray, 0.5, seed)
    write_pair(tmp_path, "l-mas", ("birds", "cars"), 0.0)
    return tmp_path


def test_pairs_in_the_papers_format(pair_runs):
    table = only_page(pair_runs).tables[0]
    assert table.header == ["Tasks", "Fine-tuning, %", "MAS, %", "l-MAS, %"]
    rows = rows_of(table)
    assert list(rows) == ["Birds → Cars", "Birds → SVHN", "Cars → Birds"]
    assert rows["Birds → Cars"] == [
        "69.0 ± 1.4 (−11.0) / 60.0 ± 0.0",
        "74.0 ± 1.4 (−6.0) / 50.0 ± 0.0",
        "80.0 (+0.0) / 50.0",
    ]
    assert rows["Cars → Birds"][2] == "–"
    best = {row[0].text: [cell.best for cell in row[1:]] for row in table.rows}
    assert best == {
        "Birds → Cars": [False, False, True],
        "Birds → SVHN": [False, True, False],
        "Cars → Birds": [False, True, False],
    }


def test_mean_over_pairs(pair_runs):
    page = only_page(pair_runs)
    table = page.tables[1]
    rows = rows_of(table)
    assert list(rows) == ["Fine-tuning", "MAS"]
    lost = [100 * (one + 0.01) for one in PAIRS.values()]
    assert rows["Fine-tuning"][1] == f"{np.mean(lost):.1f} ± {np.std(lost, ddof=1):.1f}"
    assert rows["MAS"][:2] == ["62.0 ± 0.0", "6.0 ± 0.0"]
    assert "Not run on every pair, so without a mean: l-MAS." in table.notes
    assert page.headline == 1


def test_differences_are_paired_by_pair_of_tasks(pair_runs):
    table, from_mas = only_page(pair_runs).tables[2:4]
    row = rows_of(table)["MAS"]
    lost = [one + 0.01 for one in PAIRS.values()]
    interval = ttest_rel([0.06] * 3, lost).confidence_interval(0.95)
    assert row[0] == "3"
    assert row[4] == f"[{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]".replace("-", "−")
    assert "Mean over pairs" in table.notes[0]
    # l-MAS has the first seed of one pair, with which fine-tuning lost 0.1 and had 0.65 on average
    assert rows_of(table)["l-MAS"] == ["1", "+0.0", "–", "−10.0", "–"]
    corrected = ttest_rel(lost, [0.06] * 3).confidence_interval(1 - 0.05 / 2)
    assert rows_of(from_mas)["Fine-tuning"][3:] == [
        *("+15.0", f"[{100 * corrected.low:+.1f}, {100 * corrected.high:+.1f}]".replace("-", "−"))
    ]


def test_published_pairs_are_beside_the_measured_ones(pair_runs):
    write_pair(pair_runs, "mas", ("birds", "scenes"), 0.1)
    write_pair(pair_runs, "fine-tuning", ("birds", "scenes"), 0.3)
    page = only_page(pair_runs)
    rows = rows_of(page.tables[0])
    assert list(rows)[:2] == ["Birds → Cars", "Birds → Scenes"]
    assert rows["Birds → Scenes, as published"] == ["–", "53.24 (−0.4) / 55.00", "–"]
    assert sum("published" in row for row in rows) == 1
    assert "small-cnn instead of alexnet" in page.tables[0].notes[-1]
    (rest,) = [table for table in page.tables if table.name.endswith("-published")]
    assert [[cell.text for cell in row][:3] for row in rest.rows] == [
        ["MAS", "train", "–"],
        ["l-MAS", "train", "51.36 (−2.3) / 55.67"],
    ]
    assert rest.header[2:] == [
        f"{pair}, %"
        for pair in ("Birds → Scenes", "Scenes → Birds", "Flowers → Birds", "Flowers → Scenes")
    ]


def test_one_published_pair_is_beside_the_measured_one(tmp_path):
    for method in ("fine-tuning", "mas", "joint"):
        write_pair(tmp_path, method, ("flowers", "scenes"), 0.1)
    rows = rows_of(only_page(tmp_path).tables[0])
    assert list(rows) == ["Fine-tuning", "MAS", "MAS, as published", "Joint training"]
    assert rows["MAS, as published"] == ["77.24 (−0.8)", "57.38", "67.31"]


def test_one_pair_is_a_comparison(tmp_path):
    write_pair(tmp_path, "mas", ("birds", "cars"), 0.1)
    page = only_page(tmp_path)
    assert page.tables[0].header[1:3] == ["Birds, % (change)", "Cars, %"]
    assert "sequence" in page.figures
    assert page.title.startswith("Two tasks: Birds → Cars")


def test_what_was_lost_as_a_figure(pair_runs):
    figure = only_page(pair_runs).figures["lost"].draw()
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.images}
    assert list(panels) == ["Fine-tuning", "MAS", "l-MAS"]
    shown = np.ma.filled(panels["Fine-tuning"].images[0].get_array(), np.nan)
    x = np.nan
    expected = [[x, 11, 31], [21, x, x], [x, x, x]]
    np.testing.assert_allclose(shown, expected)
    labels = [label.get_text() for label in panels["Fine-tuning"].get_yticklabels()]
    assert labels == ["Birds", "Cars", "SVHN"]


def test_nothing_lost_is_a_figure_too(tmp_path):
    write_pair(tmp_path, "imm-mean", ("birds", "cars"), -0.1)
    write_pair(tmp_path, "imm-mean", ("cars", "birds"), -0.001)
    figure = only_page(tmp_path).figures["lost"].draw()
    assert {text.get_text() for axes in figure.axes for text in axes.texts} == {"−10", "0"}
    figure.canvas.draw()


def test_pairs_as_numbers(pair_runs):
    rows = list(csv.DictReader(io.StringIO(only_page(pair_runs).as_csv())))
    found = {(row["tasks"], row["method"]): row for row in rows}
    assert len(found) == 7
    row = found["cars birds", "fine-tuning"]
    assert float(row["forgetting:1"]) == pytest.approx(0.21)
    assert float(row["accuracy_at_end:2"]) == pytest.approx(0.6)


def test_stand_ins_are_marked_in_their_pairs(pair_runs):
    other = {"stand_ins": ["scenes"]}
    write_pair(pair_runs, "mas", ("birds", "scenes"), 0.1, result=other, **other)
    page = only_page(pair_runs)
    assert "Birds → Scenes†" in rows_of(page.tables[0])
    assert "Scenes: a stand-in" in page.tables[0].notes[-1]
    for table in page.tables[:-1]:
        assert table.title.endswith("real images and † stand-ins)")
        assert any(note.startswith("†") for note in table.notes)


def test_another_budget_on_another_pair_is_refused(pair_runs):
    write_pair(pair_runs, "mas", ("svhn", "cars"), 0.1, epochs=1)
    with pytest.raises(ReportError, match="differ in epochs"):
        only_page(pair_runs)


def test_a_grid_on_one_pair_is_a_trade_off_of_its_own(pair_runs):
    grid = {"strength_grid": True}
    write_pair(pair_runs, "mas", ("birds", "cars"), 0.1, strength=1.0, **grid)
    write_pair(pair_runs, "mas", ("birds", "cars"), 0.2, strength=0.1, **grid)
    page = only_page(pair_runs)
    assert page.tables[-1].name == "two-tasks-tradeoff-birds-cars"
    assert "tradeoff-birds-cars" in page.figures


# --- orders ---

ORDERS = (["birds", "cars", "svhn"], ["svhn", "birds", "cars"], ["cars", "svhn", "birds"])


def after(*row):
    return [[0.8, None, None], [0.8, 0.8, None], list(row)]


@pytest.fixture
def order_runs(tmp_path):
    for k, tasks in enumerate(ORDERS):
        for seed in range(2):
            config = {"experiment": "orders", "tasks": tasks}
            tuned = after(0.1, 0.2, 0.6 + 0.1 * k)
            write_run(tmp_path, "fine-tuning", seed, matrix=tuned, **config)
            held = after(0.7 - 0.1 * k, 0.6 + 0.01 * seed, 0.5)
            write_run(tmp_path, "mas", seed, matrix=held, **config)
    return tmp_path


def test_mean_over_orders(order_runs):
    page = only_page(order_runs)
    table, paired, from_mas = page.tables
    assert table.header[4:] == ["Order 1", "Order 2", "Order 3"]
    rows = rows_of(table)
    assert rows["Fine-tuning"] == [
        "33.3 ± 3.3",
        "65.0 ± 0.0",
        "76.7 ± 3.3",
        "30.0",
        "36.7",
        "33.3",
    ]
    assert "Order 2: Cars → SVHN → Birds." in table.notes
    assert "One run" not in " ".join(table.notes)
    assert rows_of(paired)["MAS"][0] == "3"
    assert "same order" in paired.notes[0]
    assert rows_of(from_mas)["Fine-tuning"][0] == "3"
    assert set(page.figures) == {"spread"}
    assert all(latex(table).isascii() for table in page.tables)


def test_merged_weights_over_orders(order_runs):
    for tasks in ORDERS:
        best = after(0.8, 0.8, 0.8)
        write_run(order_runs, "imm-mean", matrix=best, experiment="orders", tasks=tasks)
    for table in only_page(order_runs).tables:
        assert "merged weights" in " ".join(table.notes)


def test_what_is_better_than_mas_over_orders(order_runs):
    for tasks in ORDERS:
        best = after(0.8, 0.8, 0.8)
        write_run(order_runs, "l-mas", matrix=best, experiment="orders", tasks=tasks)
    said = " ".join(only_page(order_runs).tables[0].notes)
    assert "Better than MAS in mean accuracy: l-MAS. Worse: none." in said
    assert "Not told apart by 3 orders: Fine-tuning." in said


def test_orders_of_other_tasks_are_another_page(order_runs):
    write_run(order_runs, "mas", experiment="orders", tasks=["flowers", "birds", "svhn"])
    assert len(pages(read_runs([order_runs]))) == 2
