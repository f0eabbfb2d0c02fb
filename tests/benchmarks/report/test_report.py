"""The report: numbers against the run folders they come from, formats, figures, and refusals."""

import csv
import io
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.methods import METHODS, Look, Method
from benchmarks.report.blocks import fill, with_block
from benchmarks.report.figures.comparison import matrices, outcome, sequence
from benchmarks.report.figures.drawing import render
from benchmarks.report.formats import latex, latex_file, markdown, print_table
from benchmarks.report.names import SPARE, in_order, written
from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.notes import notes
from benchmarks.report.numbers.runs import ReportError, read_runs
from benchmarks.report.numbers.summary import summarise
from benchmarks.report.pages.comparison import as_csv, tables
from benchmarks.report.pages.forms import pages
from benchmarks.report.pages.left_out import not_reported
from benchmarks.report.pages.provenance import provenance
from benchmarks.report.write import block_text, print_report
from tests.benchmarks.command_lines import report as main
from tests.benchmarks.run_folders import (
    TASKS,
    lower_triangle,
    nullable,
    rows_of,
    write_omega,
    write_run,
)


def joint(*accuracies):
    matrix = np.full((len(accuracies),) * 2, np.nan)
    matrix[-1] = accuracies
    return matrix


def only_group(root):
    (found,) = group(read_runs([root]))
    return found


def bold_of(table):
    return {row[0].text: [cell.best for cell in row[1:]] for row in table.rows}


@pytest.fixture
def three_seeds(tmp_path):
    """MAS and fine-tuning with three seeds each, and joint training."""
    for seed in range(3):
        write_run(tmp_path, "mas", seed, matrix=lower_triangle(seed), strength=0.5)
        write_run(tmp_path, "fine-tuning", seed, matrix=lower_triangle(10 + seed))
        write_run(tmp_path, "joint", seed, matrix=joint(0.9, 0.8, 0.7 + seed / 100))
    return tmp_path


# --- numbers ---


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


# --- notes ---


def notes_of(root):
    found = only_group(root)
    return " ".join(notes(found, summarise(found)))


def test_notes_about_seeds(three_seeds):
    assert "over 3 runs per method (seeds 0, 1, 2)" in notes_of(three_seeds)
    write_run(three_seeds, "ewc")
    assert "EWC as shipped: seed 0; MAS: seeds 0, 1, 2" in notes_of(three_seeds)


def test_note_on_drawn_data(tmp_path):
    write_run(tmp_path, "mas", source="drawn", result={"stand_ins": TASKS})
    assert "drawn by code: nothing here is a result on the data sets" in notes_of(tmp_path)
    found = only_group(tmp_path)
    assert "†" not in str(tables(found, summarise(found)))


def test_stand_ins_are_marked(tmp_path):
    write_run(tmp_path, "mas", result={"stand_ins": ["birds"]})
    found = only_group(tmp_path)
    table, _ = tables(found, summarise(found))
    assert table.header[4:] == ["Flowers", "Birds†", "SVHN"]
    assert any(note.startswith("†") for note in table.notes)
    assert [axes.get_title(loc="left") for axes in sequence(found).axes] == table.header[4:]


def test_stand_ins_are_marked_in_every_table_and_in_the_numbers(tmp_path):
    for method in ("fine-tuning", "mas"):
        write_omega(write_run(tmp_path, method, result={"stand_ins": ["birds"]}))
    grid = {"strength": 1.0, "strength_grid": True}
    write_run(tmp_path, "mas", result={"stand_ins": ["birds"]}, **grid)
    (page,) = pages(read_runs([tmp_path]))
    assert [table.name.removeprefix("eight-tasks-") for table in page.tables] == [
        *("accuracy", "paired", "cost", "omega", "tradeoff")
    ]
    for table in page.tables:
        assert "Flowers → Birds† → SVHN (" in table.title
        assert table.title.endswith("real images and † stand-ins)")
        assert any(note.startswith("†") for note in table.notes)
    assert page.title.endswith("(real images and † stand-ins)")
    assert {row["stand_ins"] for row in csv.DictReader(io.StringIO(page.as_csv()))} == {"birds"}


def test_without_real_images_none_are_named(tmp_path):
    write_run(tmp_path, "mas", result={"stand_ins": TASKS})
    (page,) = pages(read_runs([tmp_path]))
    assert page.title.endswith("(† stand-ins)")


@pytest.mark.parametrize("same", [True, False])
def test_note_on_si_is_computed(tmp_path, same):
    for seed in range(2):
        write_run(tmp_path, "fine-tuning", seed)
        changed = lower_triangle(seed)
        changed[1, 0] += 0 if same or seed == 0 else 1e-6
        write_run(tmp_path, "si", seed, matrix=changed)
    assert ("does nothing on a CPU" in notes_of(tmp_path)) == same


def test_what_is_identical_to_its_repair_is_said(tmp_path):
    for seed in range(2):
        write_run(tmp_path, "lwf", seed)
        write_run(tmp_path, "lwf-repaired", seed)
        write_run(tmp_path, "ewc", seed, matrix=lower_triangle(5))
        write_run(tmp_path, "ewc-repaired", seed, matrix=lower_triangle(5 + seed))
    text = notes_of(tmp_path)
    assert "LwF as shipped has exactly the accuracies of LwF repaired, in every entry" in text
    assert "neither dropout nor batch normalisation" in text
    assert "EWC as shipped has exactly" not in text


def test_note_on_merged_weights(tmp_path):
    write_run(tmp_path, "fine-tuning")
    assert "merged" not in notes_of(tmp_path)
    write_run(tmp_path, "imm-mode")
    assert "IMM is evaluated with its merged weights" in notes_of(tmp_path)
    (page,) = pages(read_runs([tmp_path]))
    assert "merged weights" in " ".join(page.tables[1].notes)


def test_note_where_mas_is_not_the_best(tmp_path):
    write_run(tmp_path, "mas", matrix=[[0.8, None, None], [0.5, 0.7, None], [0.3, 0.4, 0.6]])
    write_run(tmp_path, "ewc", matrix=[[0.8, None, None], [0.8, 0.5, None], [0.8, 0.5, 0.4]])
    write_run(tmp_path, "joint", matrix=joint(0.9, 0.9, 0.9))
    text = notes_of(tmp_path)
    assert "not the best in mean accuracy: EWC as shipped 56.7 %; MAS 43.3 %." in text
    assert "not the best in forgetting: EWC as shipped 0.0; MAS 40.0 points." in text


def test_all_that_are_ahead_of_mas_are_named_and_none_that_is_equal_in_print(tmp_path):
    def matrix(first, second):
        return [[first, None, None], [0.5, 0.5, None], [0.5, 0.5, second]]

    write_run(tmp_path, "mas", matrix=matrix(0.8, 0.5))
    write_run(tmp_path, "ewc", matrix=matrix(0.8004, 0.5004))
    write_run(tmp_path, "lwf", matrix=matrix(0.7, 0.6))
    write_run(tmp_path, "si-repaired", matrix=matrix(0.6, 0.8))
    text = notes_of(tmp_path)
    assert "mean accuracy: SI repaired 60.0 %; LwF as shipped 53.3 %; MAS 50.0 %." in text
    assert "forgetting: SI repaired 5.0; LwF as shipped 10.0; MAS 15.0 points." in text


def test_no_such_note_where_mas_is_the_best(tmp_path):
    write_run(tmp_path, "ewc", matrix=[[0.8, None, None], [0.5, 0.7, None], [0.3, 0.4, 0.6]])
    write_run(tmp_path, "mas", matrix=[[0.8, None, None], [0.8, 0.5, None], [0.8, 0.5, 0.4]])
    write_run(tmp_path, "joint", matrix=joint(0.9, 0.9, 0.9))
    assert "not the best" not in notes_of(tmp_path)


# --- formats ---


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


# --- figures ---


def test_sequence_figure_shows_the_means_over_seeds(three_seeds):
    axes = sequence(only_group(three_seeds)).axes
    for j, panel in enumerate(axes):
        (line,) = [line for line in panel.lines if line.get_label() == "MAS"]
        paths = [lower_triangle(seed)[j:, j] for seed in range(3)]
        np.testing.assert_allclose(line.get_ydata(), 100 * np.mean(paths, axis=0))
        assert np.round(line.get_xdata()).tolist() == list(range(j + 1, 4))
        (bound,) = [line for line in panel.lines if line.get_label() == "Joint training"]
        assert bound.get_ydata()[0] == pytest.approx([90, 80, 71][j])


def test_points_stay_at_their_task_however_many_methods_there_are(tmp_path):
    for k in range(13):
        write_run(tmp_path, f"method{k}")
    lines = sequence(only_group(tmp_path)).axes[0].lines
    apart = [abs(line.get_xdata() - [1, 2, 3]).max() for line in lines]
    assert max(apart) == pytest.approx(0.12)
    assert len(set(np.round(apart, 6))) == 7


def test_matrix_figure_shows_every_method_but_joint_training(three_seeds):
    panels = [axes for axes in matrices(only_group(three_seeds)).axes if axes.images]
    assert [panel.get_title(loc="left") for panel in panels] == ["Fine-tuning", "MAS"]
    mean = 100 * np.mean([lower_triangle(seed) for seed in range(3)], axis=0)
    np.testing.assert_allclose(np.ma.filled(panels[1].images[0].get_array(), np.nan), mean)
    shown = [int(text.get_text()) for text in panels[1].texts]
    assert shown == [round(value) for value in mean[np.tri(3, dtype=bool)]]


def test_outcome_figure(three_seeds):
    summaries = summarise(only_group(three_seeds))
    left, right = outcome(summaries).axes
    assert [bar.get_width() for bar in left.patches] == pytest.approx(
        [100 * summary.accuracy.mean for summary in summaries]
    )
    assert [bar.get_width() for bar in right.patches] == pytest.approx(
        [100 * summary.forgetting.mean for summary in summaries[:-1]]
    )


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_figure_files_are_reproducible(three_seeds, kind):
    summaries = summarise(only_group(three_seeds))
    assert render(outcome(summaries), kind) == render(outcome(summaries), kind)


def test_files(three_seeds, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "deep" / "report"
    text = io.StringIO()
    written = print_report([three_seeds], output, stream=text)
    assert "Accuracy after the sequence" in text.getvalue()
    assert sorted(written) == sorted(output.iterdir())
    names = ("sequence", "matrices", "outcome", "memory")
    figures = [f"-{name}.{kind}" for name in names for kind in ("png", "pdf")]
    expected = {f"eight-tasks{end}" for end in (".md", ".csv", ".tex", *figures)} | {"report.html"}
    assert {file.name for file in written} == expected
    with Image.open(output / "eight-tasks-outcome.png") as image:
        assert image.width > 400
    assert (output / "eight-tasks-outcome.pdf").read_bytes().startswith(b"%PDF")


# --- which runs ---


def test_unfinished_runs_are_not_reported_but_named(three_seeds):
    folder = write_run(three_seeds, "ewc")
    (folder / "result.json").unlink()
    assert "ewc" not in only_group(three_seeds).runs

    def left_out():
        ((why, count, where),) = not_reported(read_runs([three_seeds]), [three_seeds]).rows
        assert (count.text, where.text) == ("1", folder.as_posix())
        return why.text

    assert left_out() == "not finished"
    (folder / "error.log").write_text("Traceback\n  line 1\nRuntimeError: no space\n")
    assert left_out() == "failed: RuntimeError: no space"


def test_groups_and_their_names(tmp_path):
    write_run(tmp_path / "1", "mas")
    write_run(tmp_path / "2", "mas", source="drawn")
    write_run(tmp_path / "3", "mas", experiment="two-tasks", tasks=["birds", "cars"])
    names = [found.name for found in group(read_runs([tmp_path]))]
    assert names == ["eight-tasks-drawn", "eight-tasks-real", "two-tasks-real"]
    assert only_group(tmp_path / "1").name == "eight-tasks"
    write_run(tmp_path / "4", "mas", tasks=["cars", "birds"])
    names = [found.name for found in group(read_runs([tmp_path]))]
    assert "eight-tasks-real-flowers-birds-svhn" in names


def test_a_run_given_twice_is_read_once(three_seeds):
    runs = read_runs([three_seeds, three_seeds / "eight-tasks"])
    assert len(runs) == 9


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "squeezenet"),
        ("epochs", 9),
        ("batch_size", 64),
        ("learning_rate", 0.1),
        ("image_size", 64),
        ("samples", {"flowers": [1, 1, 1]}),
    ],
)
def test_mixed_configurations_are_refused(tmp_path, key, value):
    write_run(tmp_path, "mas")
    other = write_run(tmp_path, "ewc", **{key: value})
    with pytest.raises(ReportError, match=rf"differ in {key}, .*; report them separately") as error:
        group(read_runs([tmp_path]))
    assert str(other) in str(error.value)


def test_strengths_may_differ_between_methods_only(tmp_path):
    write_run(tmp_path, "mas", 0, strength=1.0)
    write_run(tmp_path, "ewc", 0, strength=100.0)
    assert set(only_group(tmp_path).runs) == {"mas", "ewc"}
    write_run(tmp_path, "mas", 1, strength=2.0)
    with pytest.raises(ReportError, match=r"differ in strength, 1\.0 and 2\.0"):
        group(read_runs([tmp_path]))


def test_the_same_seed_twice_is_refused(tmp_path):
    write_run(tmp_path / "1", "mas")
    write_run(tmp_path / "2", "mas")
    with pytest.raises(ReportError, match="are both mas with seed 0"):
        group(read_runs([tmp_path]))


def test_runs_for_tuning_are_left_out_and_counted(three_seeds, capsys):
    write_run(three_seeds / "tuning", "mas", 7, strength=9.0, evaluated_on="valid")
    assert main([str(three_seeds)]) == 0
    printed = capsys.readouterr().out.split("Left out")[1]
    assert "on validation data, for tuning" in printed
    assert "not finished" not in printed
    with pytest.raises(ReportError, match="all others are runs on validation data"):
        group(read_runs([three_seeds / "tuning"]))


def test_runs_for_tuning_here_and_elsewhere_are_named(three_seeds, tmp_path_factory, monkeypatch):
    there = tmp_path_factory.mktemp("there")
    for root, seed in ((three_seeds / "here", 7), (there, 8)):
        write_run(root, "mas", seed, strength=9.0, evaluated_on="valid")
    monkeypatch.chdir(three_seeds)
    paths = [Path("here"), there]
    ((_, count, where),) = not_reported(read_runs(paths), paths).rows
    assert count.text == "2"
    assert Path(where.text) in three_seeds.parents


def test_a_sequence_is_called_by_its_length(tmp_path):
    write_run(tmp_path, "mas")
    (page,) = pages(read_runs([tmp_path]))
    assert page.title == "3 tasks: Flowers → Birds → SVHN (real images)"


def test_no_runs(tmp_path):
    with pytest.raises(ReportError, match=r"no finished run .* under .*; make some with"):
        read_runs([tmp_path])
    with pytest.raises(ReportError, match="nowhere does not exist"):
        read_runs([tmp_path / "nowhere"])


@pytest.mark.parametrize("name", ["result.json", "config.json"])
@pytest.mark.parametrize("content", ["{", "[]", "{}", "\x00"])
def test_corrupt_files_are_named(tmp_path, name, content):
    folder = write_run(tmp_path, "mas")
    (folder / name).write_text(content)
    with pytest.raises(ReportError, match="remove the folder and run again") as error:
        read_runs([tmp_path])
    assert str(folder / name) in str(error.value)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"accuracy": [[0.5]]}, "disagree about the tasks"),
        ({"tasks": ["flowers", "svhn", "birds"]}, "disagree about the tasks"),
        ({"accuracy": nullable(np.full((3, 3), np.nan))}, "lacks tasks"),
        ({"accuracy": nullable(50 * np.eye(3))}, "fractions"),
        ({"accuracy": "none"}, "rows"),
        ({"seconds": {"train": [1.0]}}, "importance"),
        ({"stored_mb": None}, "cannot be used .*; remove the folder"),
    ],
)
def test_impossible_results_are_refused(tmp_path, result, message):
    folder = write_run(tmp_path, "mas", result=result)
    with pytest.raises(ReportError, match=message) as error:
        read_runs([tmp_path])
    assert str(folder / "result.json") in str(error.value)


# --- methods and experiments of somebody else ---


def test_a_method_says_what_the_report_says_of_it(tmp_path, monkeypatch):
    own = Method(
        *("own", "My method", "", lambda _: []),
        place=1,
        look=Look("#123456", "*", dashed=True),
        may_equal={"mas": "it is MAS"},
        remark="Never seen before.",
    )
    monkeypatch.setitem(METHODS, "own", own)
    for method in ("mas", "fine-tuning", "own", "unknown"):
        write_run(tmp_path, method, matrix=lower_triangle(len(method)))
    found = only_group(tmp_path)
    titles = ["Fine-tuning", "My method", "MAS", "unknown"]
    assert list(rows_of(tables(found, summarise(found))[0])) == titles
    assert (
        "My method has exactly the accuracies of MAS, in every entry of the accuracy matrix:"
        " it is MAS."
    ) in notes_of(tmp_path)
    assert "Never seen before." in notes_of(tmp_path)
    lines = {line.get_label(): line for line in sequence(found).axes[0].lines}
    assert (lines["My method"].get_color(), lines["My method"].get_marker()) == ("#123456", "*")
    assert lines["My method"].is_dashed()
    assert lines["unknown"].get_color() == SPARE[0].colour


def test_an_experiment_says_what_its_page_is_like(tmp_path, monkeypatch):
    sequences = (["birds", "cars"], ["cars", "birds"])
    for tasks in sequences:
        write_run(tmp_path, "mas", experiment="own-pairs", tasks=tasks)
    unknown = pages(read_runs([tmp_path]))
    assert [page.title for page in unknown] == [
        "Own pairs: Birds → Cars (real images)",
        "Own pairs: Cars → Birds (real images)",
    ]
    own = {"title": "Mine", "page": "pairs", "together": "all"}
    monkeypatch.setitem(EXPERIMENTS, "own-pairs", Experiment("own-pairs", "", (), **own))
    (page,) = pages(read_runs([tmp_path]))
    assert page.title == "Mine (real images)"
    assert page.tables[0].header == ["Tasks", "MAS, %"]


# --- marked blocks ---

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
    assert text.startswith("# Title\n\n<!-- generated: results -->\n**Accuracy after")
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


# --- the command ---


def test_reports_load_nothing_that_trains():
    loaded = (
        "import pkgutil, sys, benchmarks.report as report;"
        "names = [found.name for found in pkgutil.walk_packages(report.__path__, 'benchmarks.report.')];"
        "[__import__(name) for name in names];"
        "assert len(names) > 30 and 'benchmarks.methods' in sys.modules;"
        "print({'torch', 'torchvision', 'avalanche', 'benchmarks.run'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", loaded], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_command(three_seeds, tmp_path_factory, capsys):
    output = tmp_path_factory.mktemp("out")
    assert main([str(three_seeds), "--output", str(output), "--format", "csv", "latex"]) == 0
    assert {file.suffix for file in output.iterdir()} == {".csv", ".tex"}
    printed = capsys.readouterr().out
    assert str(output / "eight-tasks.csv") in printed


def test_command_explains_and_fails(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "error: no finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "csv"], "name it with --output DIR"),
        (["--format", "word", "--output", "c"], "choose from"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), *options])
    assert message in capsys.readouterr().err
