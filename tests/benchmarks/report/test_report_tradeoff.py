"""The trade-off over a grid of strengths, and that a grid is never mixed with what was chosen."""

import csv
import io
from itertools import combinations

import numpy as np
import pytest

from benchmarks.report.numbers.runs import ReportError, read_runs
from benchmarks.report.pages.forms import pages
from benchmarks.report.pages.tradeoff import CHOSEN
from tests.benchmarks.run_folders import lower_triangle, rows_of, write_run


def write_grid(root, method, strength, seed=0, **config):
    matrix = lower_triangle(int(10 * strength) + seed)
    grid = {"strength": strength, "strength_grid": True} | config
    return write_run(root, method, seed, matrix=matrix, **grid)


@pytest.fixture
def runs(tmp_path):
    write_run(tmp_path, "fine-tuning", matrix=lower_triangle(50))
    write_run(tmp_path, "mas", matrix=lower_triangle(51), strength=0.5)
    write_run(tmp_path, "si-repaired", matrix=lower_triangle(52), strength=2.0)
    for strength in (10.0, 0.1, 2.0):
        for seed in range(2):
            write_grid(tmp_path, "mas", strength, seed)
    return tmp_path


def only_page(root):
    (page,) = pages(read_runs([root]))
    return page


def test_the_comparison_is_as_without_the_grid(runs, tmp_path_factory):
    alone = tmp_path_factory.mktemp("alone")
    write_run(alone, "fine-tuning", matrix=lower_triangle(50))
    write_run(alone, "mas", matrix=lower_triangle(51), strength=0.5)
    write_run(alone, "si-repaired", matrix=lower_triangle(52), strength=2.0)
    *chosen, tradeoff = only_page(runs).tables
    assert chosen == only_page(alone).tables
    assert tradeoff.name == "eight-tasks-tradeoff"


def test_the_table_by_hand(runs):
    rows = [[cell.text for cell in row] for row in only_page(runs).tables[-1].rows]
    assert [row[:2] for row in rows] == [
        ["Fine-tuning", "–"],
        ["MAS", "0.1"],
        ["MAS", "2"],
        ["MAS", "10"],
        ["MAS", f"0.5 ({CHOSEN})"],
    ]
    a = [lower_triangle(1 + seed) for seed in range(2)]
    drops = [100 * ((m[0, 0] - m[2, 0]) + (m[1, 1] - m[2, 1])) / 2 for m in a]
    assert rows[1][3] == f"{np.mean(drops):.1f} ± {np.std(drops, ddof=1):.1f}".replace("-", "−")


def test_the_figure_goes_through_the_strengths_in_order(runs):
    (panel,) = only_page(runs).figures["tradeoff"].draw().axes
    lines = {line.get_label(): line for line in panel.lines}
    assert {"MAS", "Fine-tuning"} <= set(lines)
    assert "SI repaired" not in lines
    a = [[lower_triangle(first + seed) for seed in range(2)] for first in (1, 20, 100)]
    learned = [100 * np.mean([np.diagonal(m).mean() for m in both]) for both in a]
    np.testing.assert_allclose(lines["MAS"].get_ydata(), learned)
    forgotten = [100 * np.mean([(np.diagonal(m) - m[2])[:2].mean() for m in both]) for both in a]
    np.testing.assert_allclose(lines["MAS"].get_xdata(), forgotten)
    assert [text.get_text() for text in panel.texts] == ["0.1", "10"]


def test_labels_of_equal_curves_are_apart(tmp_path):
    methods = ("si-repaired", "lwf", "lwf-repaired", "ewc", "mas", "l-mas")
    for method in methods:
        for strength in (0.1, 1.0):
            write_grid(tmp_path, method, strength)
    figure = only_page(tmp_path).figures["tradeoff"].draw()
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 2 * len(methods)
    assert not [one for one, other in combinations(boxes, 2) if one.overlaps(other)]


def test_numbers_tell_the_grid_apart(runs):
    rows = list(csv.DictReader(io.StringIO(only_page(runs).as_csv())))
    found = [(r["method"], r["strength"], r["strength_grid"]) for r in rows]
    assert found == [
        ("fine-tuning", "", ""),
        ("si-repaired", "2.0", ""),
        ("mas", "0.5", ""),
        ("mas", "0.1", "yes"),
        ("mas", "10.0", "yes"),
        ("mas", "2.0", "yes"),
    ]


def test_a_grid_alone(tmp_path):
    for strength in (0.1, 1.0):
        write_grid(tmp_path, "mas", strength)
    (table,) = only_page(tmp_path).tables
    assert [row[1].text for row in table.rows] == ["0.1", "1"]
    assert set(only_page(tmp_path).figures) == {"tradeoff"}


def test_a_grid_on_another_budget_is_refused(runs):
    write_grid(runs, "l-mas", 1.0, epochs=1)
    with pytest.raises(ReportError, match="differ in epochs"):
        only_page(runs)


def test_a_grid_of_another_experiment_with_one_strength_is_refused(tmp_path):
    for strength in (0.1, 1.0):
        write_grid(tmp_path, "mas", strength, experiment="adaptation", tasks=["birds", "cars"])
    with pytest.raises(ReportError):
        only_page(tmp_path)


def test_strengths_chosen_for_each_task_are_a_page_of_their_own(runs):
    for method in ("fine-tuning", "mas"):
        write_run(runs, method, choose="framework")
    found = pages(read_runs([runs]))
    assert [page.name for page in found] == ["eight-tasks", "eight-tasks-framework"]
    assert "chosen for each task by the framework" in found[1].tables[0].title
    assert list(rows_of(found[1].tables[0])) == ["Fine-tuning", "MAS"]
