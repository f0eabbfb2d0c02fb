"""The pages of single experiments: numbers against run folders written by hand, and refusals."""

import csv
import io
import json

import numpy as np
import pytest
import torch

from benchmarks.experiments.studies.local_vs_global import compare
from benchmarks.report.formats import latex, markdown
from benchmarks.report.numbers.runs import ReportError, read_runs
from benchmarks.report.pages.forms import pages
from benchmarks.report.write import block_text, print_report
from tests.benchmarks.command_lines import docs
from tests.benchmarks.command_lines import report as main
from tests.benchmarks.run_folders import rows_of, write_run


def only_page(root):
    (page,) = pages(read_runs([root]))
    return page


def lines_of(page):
    return list(csv.DictReader(io.StringIO(page.as_csv())))


# --- importance-data ---


def write_data_run(root, method, on, *, tasks=("birds", "cars"), seed=0, first=0.5, **config):
    """A run that knew the first task to 60 %, and the second to 40 %."""
    if on is not None:
        config |= {"importance_on": on, "strength": config.get("strength", 0.1)}
        config["strength_from"] = "tuning of two-tasks on validation data"
    matrix = [[0.6, None], [first, 0.4]]
    return write_run(
        root, method, seed, matrix=matrix, experiment="importance-data", tasks=list(tasks), **config
    )


@pytest.fixture
def data_runs(tmp_path):
    for seed in range(3):
        write_data_run(tmp_path, "fine-tuning", None, seed=seed, first=0.2)
        for on in ("train+test", "test", "train"):
            write_data_run(tmp_path, "mas", on, seed=seed, first=0.5 + seed / 100)
        write_data_run(tmp_path, "l-mas", "train", seed=seed, strength=2.0)
    write_data_run(tmp_path, "mas", "test", tasks=("flowers", "birds"), samples={"flowers": [1]})
    return tmp_path


def test_importance_data_is_in_the_papers_format(data_runs):
    table, published = only_page(data_runs).tables
    assert table.header == ["Method", "Ω on", "Birds → Cars, %", "Flowers → Birds, %"]
    rows = [[cell.text for cell in row] for row in table.rows]
    assert [row[:2] for row in rows] == [
        ["Fine-tuning", "–"],
        ["MAS", "train"],
        ["MAS", "test"],
        ["MAS, as published", "test"],
        ["MAS", "train+test"],
        ["l-MAS", "train"],
    ]
    assert rows[0][2:] == ["20.0 ± 0.0 (−40.0 ± 0.0) / 40.0 ± 0.0", "–"]
    assert rows[2][2:] == ["51.0 ± 1.0 (−9.0 ± 1.0) / 40.0 ± 0.0", "50.0 (−10.0) / 40.0"]
    assert rows[3][2:] == ["–", "77.62 (−0.5) / 50.29"]
    said = " ".join(table.notes)
    assert "MAS 0.1 (tuning of two-tasks on validation data), l-MAS 2 (tuning" in said
    assert "MAS on test, Flowers → Birds: seed 0" in said
    assert published.title.startswith("As published, not measured here: Aljundi et al.")
    assert [cell.text for cell in published.rows[3]][:3] == [
        "l-MAS",
        "train",
        "51.36 (−2.3) / 55.67",
    ]
    assert published.header[4] == "Flowers → Birds, %"
    assert [row[4].text == "–" for row in published.rows] == [False, True] + [False] * 4
    assert {len(row) for row in published.rows} == {len(published.header)} == {6}


PAPERS = {
    "model": "alexnet",
    "weights": "alexnet.pth",
    "image_size": 224,
    "epochs": 100,
    "batch_size": 200,
    "learning_rate": 0.0008,
    "schedule": "step",
    "gradient_clip": None,
    "strength": 1.0,
    "tasks": ("flowers", "birds"),
}
WHOLE = [{"split": "", "agreement": "as published", "left_out": {}}] * 2


def beside_published(root, result=None, **config):
    """The note of a run beside the paper's row."""
    found = {"data": WHOLE} | (result or {})
    write_data_run(root, "mas", "train", result=found, **(PAPERS | config))
    return only_page(root).tables[0].notes[-1].partition("Here: ")[2]


def test_a_run_like_the_papers_is_said_to_be(tmp_path):
    assert beside_published(tmp_path) == "the same."


PART = {"split": "", "agreement": "not complete; the files give 200 classes", "left_out": {}}


@pytest.mark.parametrize(
    ("config", "result", "said"),
    [
        ({"model": "squeezenet"}, {}, "squeezenet instead of alexnet."),
        ({"weights": None}, {}, "random instead of pretrained weights."),
        ({"optimizer": "AdamW"}, {}, "AdamW instead of SGD."),
        ({"image_size": 64, "epochs": 15}, {}, "64 instead of 224 px; 15 instead of 100 epochs"),
        ({"batch_size": 32}, {}, "batch 32 instead of 200."),
        ({"learning_rate": 0.01}, {}, "learning rate 0.01 instead of 0.0008."),
        ({"schedule": "one-cycle"}, {}, "schedule one-cycle instead of step."),
        ({"penalty": "damped"}, {}, "damped instead of explicit penalty."),
        ({"gradient_clip": 5.0}, {}, "gradients clipped at 5 instead of none."),
        ({"strength": 0.1}, {}, "λ of MAS 0.1 instead of 1."),
        ({}, {"stand_ins": ["birds"]}, "Birds: a stand-in."),
        (
            {"samples": {"birds": [9, 8, 7]}},
            {"data": [WHOLE[0], PART], "classes": [102, 40]},
            "Birds: 40 classes, 9 train, 8 validation, 7 test (not complete; the files give 200",
        ),
    ],
)
def test_what_differs_from_the_published_training_is_said(tmp_path, config, result, said):
    assert beside_published(tmp_path, result, **config).startswith(said)


def test_nothing_published_stands_beside_drawn_images(tmp_path):
    write_data_run(tmp_path, "mas", "train", tasks=("flowers", "birds"), source="drawn")
    (table,) = only_page(tmp_path).tables
    assert len(table.rows) == 1


def test_several_strengths_have_no_place_in_importance_data(tmp_path):
    for strength in (0.1, 1.0):
        write_data_run(tmp_path, "mas", "train", strength=strength, strength_grid=True)
    with pytest.raises(ReportError, match="runs of MAS on train with several strengths"):
        only_page(tmp_path)


def test_importance_data_as_numbers(data_runs):
    found = {
        (r["tasks"], r["method"], r["importance_on"]): r for r in lines_of(only_page(data_runs))
    }
    assert len(found) == 6
    mas = found["birds cars", "mas", "test"]
    assert float(mas["forgetting_first"]) == pytest.approx(0.09)
    assert float(mas["forgetting_first:deviation"]) == pytest.approx(0.01)
    assert mas["seeds"] == "0 1 2"
    assert mas["importance_seconds:median"] == "0.75"


def test_a_strength_of_its_own_for_one_kind_of_data_is_refused(data_runs):
    write_data_run(data_runs, "l-mas", "test", strength=1.0)
    with pytest.raises(ReportError, match=r"differ in strength, 1\.0 and 2\.0"):
        only_page(data_runs)


def test_another_budget_on_another_sequence_is_refused(data_runs):
    write_data_run(data_runs, "mas", "test", tasks=("letters", "svhn"), epochs=1)
    with pytest.raises(ReportError, match="differ in epochs, 8 and 1"):
        only_page(data_runs)


def test_stand_ins_on_one_sequence_are_marked(data_runs):
    other = {"stand_ins": ["scenes"]}
    write_data_run(data_runs, "mas", "test", tasks=("birds", "scenes"), result=other, **other)
    page = only_page(data_runs)
    table = page.tables[0]
    assert "Birds → Scenes†, %" in table.header
    assert table.title.endswith("real images and † stand-ins)")
    assert any(note.startswith("†") for note in table.notes)
    marks = {row["tasks"]: row["stand_ins"] for row in lines_of(page)}
    assert marks == {"birds scenes": "scenes", "birds cars": "", "flowers birds": ""}


# --- split-mnist ---


def test_digits_stand_beside_what_the_demo_published(tmp_path):
    pairs = ["1-2", "3-4", "5-6", "7-8", "9-0"]
    digits = {"experiment": "split-mnist", "tasks": pairs, "epochs": 20, "first_epochs": 10}
    write_run(tmp_path / "real", "mas", **digits)
    write_run(tmp_path / "real", "fine-tuning", **digits)
    page = only_page(tmp_path / "real")
    measured, published, paired, *_ = page.tables
    assert "20 epochs per task (10 on the first)" in measured.title
    assert (page.headline, paired.name) == (2, "split-mnist-paired")
    assert published.title.startswith("As published, not measured here: the demo")
    assert published.header[1:] == measured.header[1:3] + measured.header[4:]
    (accumulated, _) = rows_of(published).values()
    assert accumulated == ["98.86", "0.07", "99.49", "99.65", "98.00", "98.10", "99.04"]
    for other in ({"source": "drawn"}, {"tasks": pairs[:3]}, {"experiment": "eight-tasks"}):
        root = tmp_path / "-".join(other)
        write_run(root, "mas", **(digits | other))
        assert only_page(root).headline == 1


# --- adaptation ---


def write_adapted(root, method, on, share, correct, *, seed=0, **config):
    """A run with 4 classes of 10 test images, of which the classes 1 and 3 were met."""
    if on is not None:
        config |= {"importance_on": on, "strength_share": share, "strength": 2.0 * share}
    counts = {"subset": [1, 3], "unlabelled": 20, "samples": [10] * 4, "correct": correct}
    matrix = [[sum(correct[0]) / 40, None], [sum(correct[1]) / 40, 0.5]]
    return write_run(
        root,
        method,
        seed,
        matrix=matrix,
        experiment="adaptation",
        tasks=["flowers", "birds"],
        result={"first_task": counts},
        **config,
    )


@pytest.fixture
def adapted(tmp_path):
    before = [8, 9, 8, 9]
    write_adapted(tmp_path, "fine-tuning", None, None, [before, [2, 3, 2, 3]])
    for share in (0.1, 1.0):
        for seed in range(2):
            after = {"train": [6, 7, 6, 7], "subset": [5, 8, 6, 8 - seed * 2]}
            for on, right in after.items():
                write_adapted(tmp_path, "mas", on, share, [before, right], seed=seed)
    return tmp_path


def test_what_the_subset_lost_by_hand(adapted):
    (table,) = only_page(adapted).tables
    rows = [[cell.text for cell in row] for row in table.rows]
    assert [row[:3] for row in rows] == [
        ["Fine-tuning", "–", "–"],
        ["MAS", "2", "train"],
        ["MAS", "2", "subset"],
        ["MAS", "0.2", "train"],
        ["MAS", "0.2", "subset"],
    ]
    assert rows[0][3:] == ["60.0", "60.0", "0.0 (0/1)", "–", "50.0"]
    assert rows[1][3:] == ["20.0 ± 0.0", "20.0 ± 0.0", "0.0 ± 0.0 (0/2)", "–", "50.0 ± 0.0"]
    # seed 0: the subset 10, the others 25 points; seed 1: 20 and 25
    assert rows[2][3:6] == ["15.0 ± 7.1", "25.0 ± 0.0", "10.0 ± 7.1 (2/2)"]
    assert rows[2][6] == "5.0 ± 7.1 (1/2)"
    assert (
        "half of the classes of Flowers, chosen by the seed. After the task, the model met 20 images"
        in " ".join(table.notes)
    )


def test_adaptation_as_numbers(adapted):
    (row,) = [
        row
        for row in lines_of(only_page(adapted))
        if (row["strength"], row["importance_on"]) == ("2.0", "subset")
    ]
    assert float(row["lost_subset"]) == pytest.approx(0.15)
    assert float(row["less_than_others"]) == pytest.approx(0.10)
    assert float(row["less_than_on_train"]) == pytest.approx(0.05)


@pytest.mark.parametrize("counts", [{}, {"subset": [0]}, [], {"subset": []}])
def test_counts_that_cannot_be_used_are_named(tmp_path, counts):
    whole = {"unlabelled": 1, "samples": [1, 1], "correct": [[1, 1], [0, 0]]}
    given = {**whole, **counts} if counts == {"subset": []} else counts
    folder = write_run(
        tmp_path,
        "fine-tuning",
        experiment="adaptation",
        tasks=["flowers", "birds"],
        result={"first_task": given},
    )
    with pytest.raises(ReportError, match="cannot be used") as error:
        only_page(tmp_path)
    assert str(folder / "result.json") in str(error.value)


def test_missing_counts_are_named(tmp_path):
    write_run(tmp_path, "mas", experiment="adaptation", tasks=["flowers", "birds"])
    with pytest.raises(ReportError, match="lacks 'first_task'"):
        only_page(tmp_path)


# --- local-vs-global ---

SHAPES = {"body.0.weight": (4, 30), "body.0.bias": (4,), "head.weight": (3, 20)}


def importances(seed):
    generator = np.random.default_rng(seed)
    one = {n: torch.tensor(generator.lognormal(size=shape)) for n, shape in SHAPES.items()}
    other = {n: omega**2 for n, omega in one.items()}
    other["body.0.weight"][0] = 0
    return compare(one, other)


def write_compared(root, seed=0, entries=None):
    entries = importances(seed) if entries is None else entries
    return write_run(
        root,
        "fine-tuning",
        seed,
        matrix=[[0.7]],
        experiment="local-vs-global",
        tasks=["birds"],
        result={"importances": json.loads(json.dumps(entries))},
    )


@pytest.fixture
def compared(tmp_path):
    for seed in range(2):
        write_compared(tmp_path, seed)
    return tmp_path


def test_local_beside_global_by_hand(compared):
    summary, table = only_page(compared).tables
    rows = rows_of(table)
    assert list(rows) == ["body.0", "head"]
    both = [importances(seed) for seed in range(2)]
    ranks = [entries[0]["spearman"] for entries in both]
    expected = f"{np.mean(ranks):.2f} ± {np.std(ranks, ddof=1):.2f}"
    assert rows["body.0"][:3] == ["120", expected, "1.00 ± 0.00"]
    assert rows["body.0"][4:6] == ["0.0 ± 0.0", "25.0 ± 0.0"]
    assert rows["head"][1:3] == ["1.00 ± 0.00", "1.00 ± 0.00"]
    # the local Ω of the head is the square of the global one, and so is its logarithm twice that
    medians = [e[2]["global"]["quantiles"][2] for e in both]
    ratio = f"{np.mean(medians):.2f} ± {np.std(medians, ddof=1):.2f}"
    assert rows["head"][3] == ratio.replace("-", "−")
    totals = [sum(entry["local"]["sum"] for entry in entries) for entries in both]
    share = [100 * e[2]["local"]["sum"] / total for e, total in zip(both, totals, strict=True)]
    assert rows["head"][7] == f"{np.mean(share):.1f} ± {np.std(share, ddof=1):.1f}"
    least, median, most = rows_of(summary)["Zeros in the local Ω, %"]
    assert (least, median, most) == ("0.0", "12.5", "25.0")
    assert len(lines_of(only_page(compared))) == len(SHAPES)


def test_figures_of_the_layers(compared):
    drawn = {name: p.draw() for name, p in only_page(compared).figures.items()}
    entries = importances(0)
    for panel, entry in zip(drawn["histograms"].axes, (entries[0], entries[2]), strict=False):
        shown = {patch.get_label(): patch.get_data() for patch in panel.patches}
        for kind in ("global", "local"):
            size = np.prod(entry["shape"])
            np.testing.assert_allclose(
                shown[kind].values, 100 * np.array(entry[kind]["counts"]) / size
            )
            np.testing.assert_allclose(shown[kind].edges, entry["edges"])
    assert len(drawn["densities"].axes) == 2
    left, right = drawn["layers"].axes
    assert left.get_title(loc="left") == "Correlation of local and global Ω"
    totals = [sum(e["global"]["sum"] for e in importances(seed)) for seed in range(2)]
    for place, k in enumerate((0, 2)):
        shares = [importances(seed)[k]["global"]["sum"] / totals[seed] for seed in range(2)]
        assert right.lines[0].get_ydata()[place] == pytest.approx(100 * np.mean(shares))
        ranks = [importances(seed)[k]["spearman"] for seed in range(2)]
        assert left.lines[0].get_ydata()[place] == pytest.approx(np.mean(ranks))


def test_comparisons_of_other_parameters_are_refused(compared):
    write_compared(compared, 2, importances(2)[:1])
    with pytest.raises(ReportError, match="compare different parameters"):
        only_page(compared)


@pytest.mark.parametrize("broken", ["none", [{}], [{"name": "w"}]])
def test_comparisons_that_cannot_be_used_are_named(tmp_path, broken):
    folder = write_compared(tmp_path, entries=broken)
    with pytest.raises(ReportError, match="cannot be used") as error:
        only_page(tmp_path)
    assert str(folder / "result.json") in str(error.value)


# --- all of them ---


@pytest.mark.parametrize("name", ["data_runs", "adapted", "compared"])
def test_every_page_in_every_format(name, request, tmp_path_factory):
    root = request.getfixturevalue(name)
    page = only_page(root)
    for table in page.tables:
        lines = [line for line in markdown(table).splitlines() if line.startswith("|")]
        assert {line.count("|") for line in lines} == {len(table.header) + 1}
        assert latex(table).isascii()
    assert block_text([root]) == "\n".join(map(markdown, page.tables[: page.headline]))
    output = tmp_path_factory.mktemp("out")
    text = io.StringIO()
    written = print_report([root], output, stream=text)
    kinds = {file.suffix for file in written}
    assert kinds == {".md", ".csv", ".tex", ".png", ".pdf", ".html"}
    assert {file.name for file in output.iterdir()} == {file.name for file in written}
    assert page.tables[0].rows[0][0].text in text.getvalue()


def test_pages_side_by_side(data_runs, capsys):
    write_compared(data_runs)
    write_run(data_runs, "mas")
    assert [page.name for page in pages(read_runs([data_runs]))] == [
        "eight-tasks",
        "importance-data",
        "local-vs-global",
    ]
    assert main([str(data_runs)]) == 0
    assert "Local and global" in capsys.readouterr().out


def test_blocks_of_the_documents_name_their_results(data_runs, monkeypatch, capsys):
    page = data_runs / "README.md"
    page.write_text(
        "<!-- generated: importance-data -->\nold\n<!-- end -->\n"
        "![](benchmarks/results/figures/importance-data/a.png)"
    )
    monkeypatch.setattr("benchmarks.commands.docs.ROOT", data_runs)
    monkeypatch.setattr("benchmarks.commands.docs.RESULTS", data_runs)
    assert docs(["--check"]) == 1
    assert "block 'importance-data'" in capsys.readouterr().err
    assert docs([]) == 0
    assert "**As published, not measured here" in page.read_text()
    pictures = {file.name for file in (data_runs / "figures" / "importance-data").iterdir()}
    assert pictures == {"importance-data-drop.png", "importance-data-drop.pdf"}
    assert docs(["--check"]) == 0
    page.write_text("<!-- generated: nothing -->\n<!-- end -->\n")
    assert docs([]) == 1
    assert "nothing does not exist" in capsys.readouterr().err
