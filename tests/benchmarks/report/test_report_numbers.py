"""The report's numbers, against the run folders they come from."""

import csv
import io
import statistics

import numpy as np
import pytest

from benchmarks.report.names import in_order, listed, written
from benchmarks.report.numbers.notes import notes
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.numbers.summary import summarise
from benchmarks.report.pages.comparison import as_csv
from benchmarks.report.pages.forms import pages
from benchmarks.report.pages.provenance import provenance
from tests.benchmarks.report.tables import bold_of, only_group, tables
from tests.benchmarks.run_folders import joint, lower_triangle, rows_of, write_run


def test_csv_holds_what_the_run_folders_say(three_seeds):
    found = only_group(three_seeds)
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(as_csv([found])))}
    assert list(rows) == ["fine-tuning", "mas", "joint"]
    for method, first in (("mas", 0), ("fine-tuning", 10)):
        a = [lower_triangle(first + seed) for seed in range(3)]
        expected = {
            "average_accuracy": [(m[2, 0] + m[2, 1] + m[2, 2]) / 3 for m in a],
            "average_forgetting": [(m[0, 0] - m[2, 0] + m[1, 1] - m[2, 1]) / 2 for m in a],
            "learning_accuracy": [(m[0, 0] + m[1, 1] + m[2, 2]) / 3 for m in a],
            "accuracy_at_end:birds": [m[2, 1] for m in a],
            "forgetting:birds": [m[1, 1] - m[2, 1] for m in a],
        }
        costs = {"training_seconds": 3.0, "importance_seconds": 0.75, "peak_memory_mb": 500.0}
        for name, value in costs.items():
            assert float(rows[method][f"{name}:median"]) == value
        for name, values in expected.items():
            assert float(rows[method][name]) == pytest.approx(statistics.fmean(values))
            deviation = float(rows[method][f"{name}:deviation"])
            assert deviation == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert rows["mas"]["strength"] == "0.5"
    assert rows["mas"]["seeds"] == "0 1 2"
    assert rows["joint"]["average_forgetting"] == rows["joint"]["learning_accuracy"] == ""


def test_sequence_table_by_hand(tmp_path):
    write_run(
        tmp_path, "fine-tuning", matrix=[[0.8, None, None], [0.5, 0.7, None], [0.3, 0.4, 0.6]]
    )
    write_run(tmp_path, "mas", matrix=[[0.8, None, None], [0.8, 0.5, None], [0.81, 0.5, 0.4]])
    write_run(tmp_path, "joint", matrix=joint(0.81, 0.9, 0.9))  # equal, yet not bold
    found = only_group(tmp_path)
    accuracy, _ = tables(found, summarise(found))
    assert accuracy.header[4:] == ["Flowers", "Birds", "SVHN"]
    assert rows_of(accuracy) == {
        "Fine-tuning": ["43.3", "40.0", "70.0", "30.0", "40.0", "60.0"],
        "MAS": ["57.0", "−0.5", "56.7", "81.0", "50.0", "40.0"],
        "Joint training": ["87.0", "–", "–", "81.0", "90.0", "90.0"],
    }
    assert bold_of(accuracy) == {
        "Fine-tuning": [False, False, True, False, False, True],
        "MAS": [True, True, False, True, True, False],
        "Joint training": [False] * 6,
    }


def test_two_tasks_are_in_the_papers_format(tmp_path):
    birds_cars = {"experiment": "two-tasks", "tasks": ["birds", "cars"]}
    write_run(tmp_path, "fine-tuning", matrix=[[0.55, None], [0.2, 0.6]], **birds_cars)
    write_run(tmp_path, "mas", matrix=[[0.5324, None], [0.5284, 0.55]], **birds_cars)
    write_run(tmp_path, "joint", matrix=joint(0.6, 0.6), **birds_cars)
    found = only_group(tmp_path)
    accuracy, _ = tables(found, summarise(found))
    assert accuracy.header == ["Method", "Birds, % (change)", "Cars, %", "Mean accuracy, %"]
    assert rows_of(accuracy) == {
        "Fine-tuning": ["20.0 (−35.0)", "60.0", "40.0"],
        "MAS": ["52.8 (−0.4)", "55.0", "53.9"],
        "Joint training": ["60.0", "60.0", "60.0"],
    }


def test_spread_is_shown_for_several_seeds_only(three_seeds, tmp_path_factory):
    several = only_group(three_seeds)
    assert all(" ± " in row[1].text for row in tables(several, summarise(several))[0].rows)
    one = tmp_path_factory.mktemp("one")
    write_run(one, "mas")
    single = only_group(one)
    assert not any(
        "±" in cell.text for row in tables(single, summarise(single))[0].rows for cell in row
    )


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (-0.04, ".1f", "0.0"),
        (-0.06, ".1f", "−0.1"),
        (-0.04, "+.1f", "+0.0"),
        (0.06, "+.1f", "+0.1"),
        (-12.3456, ".2f", "−12.35"),
    ],
)
def test_what_rounds_to_zero_has_no_minus_sign(value, form, text):
    assert written(value, form) == text


def test_strengths_that_were_not_tuned_are_named(tmp_path):
    write_run(tmp_path, "mas", strength=0.1, strength_from="tuning on validation data")
    found = only_group(tmp_path)
    assert "not tuned" not in " ".join(notes(found, summarise(found)))
    write_run(tmp_path, "ewc", strength=400.0, strength_from="what is usual, not tuned")
    write_run(
        tmp_path, "lwf", strength=1.0, strength_from="tuning on validation data, with other model"
    )
    found = only_group(tmp_path)
    assert (
        "Strengths that were not tuned for this comparison: LwF as shipped 1 (tuning on validation"
        " data, with other model); EWC as shipped 400 (what is usual, not tuned)."
    ) in notes(found, summarise(found))


def test_costs_are_medians_which_one_disturbed_run_does_not_move(tmp_path):
    for seed, times in enumerate((1, 100, 1.5)):
        seconds = {"train": [times, 2 * times], "importance": [times / 4, times / 2], "eval": [1.0]}
        result = {"seconds": {**seconds, "total": 9.0}, "peak_memory_mb": 500.0 * times}
        write_run(tmp_path, "mas", seed, strength=0.5, result=result)
    found = only_group(tmp_path)
    costs = rows_of(tables(found, summarise(found))[1])["MAS"]
    assert costs == ["0.5", "4.5", "1.12", "750", "2.50"]


def test_what_joint_training_keeps_is_not_said_to_be_nothing(three_seeds):
    (page,) = pages(read_runs([three_seeds]))
    (cost,) = [table for table in page.tables if table.name.endswith("-cost")]
    stored = {name: cells[-1] for name, cells in rows_of(cost).items()}
    assert stored == {"Fine-tuning": "2.50", "MAS": "2.50", "Joint training": "–"}
    *_, runs = provenance(page)
    column = runs.header.index("Stored, MB")
    assert {row[column].text for row in runs.rows if row[0].text == "Joint training"} == {"–"}
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(page.as_csv()))}
    assert rows["joint"]["stored_mb:median"] == ""
    left_out = "Joint training, which needs the data of all tasks, is left out."
    assert page.figures["memory"].caption.endswith(left_out)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_memory_of_a_gpu_is_said_not_to_be_counted(tmp_path, device):
    write_run(tmp_path, "mas", device=device)
    (page,) = pages(read_runs([tmp_path]))
    *_, runs = provenance(page)
    for table in (page.tables[-1], runs):
        assert ("not the GPU's" in " ".join(table.notes)) == (device == "cuda")


def test_equal_bests_are_both_bold(tmp_path):
    for method in ("fine-tuning", "si", "mas"):
        write_run(tmp_path, method, matrix=lower_triangle(1 if method == "mas" else 0))
    found = only_group(tmp_path)
    bold = bold_of(tables(found, summarise(found))[0])
    assert bold["Fine-tuning"] == bold["SI as shipped"]
    assert bold["Fine-tuning"] == [not best for best in bold["MAS"]]


def test_order():
    methods = ["joint", "mine", "mas", "ewc", "lwf", "si-repaired", "si", "fine-tuning"]
    expected = ["fine-tuning", "si", "si-repaired", "lwf", "ewc", "mas", "mine", "joint"]
    assert in_order(methods) == expected


def test_names_in_a_sentence_can_be_told_apart():
    assert listed(["MAS"]) == "MAS"
    assert listed(["MAS", "EWC", "LwF"]) == "MAS, EWC and LwF"
    assert listed(["EBLL", "IMM, mean", "IMM, mode"]) == "EBLL; IMM, mean and IMM, mode"
