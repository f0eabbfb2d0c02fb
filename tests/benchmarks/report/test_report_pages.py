"""The pages of single experiments: numbers against run folders written by hand, and refusals."""

import io
import json

import numpy as np
import pytest
import torch

from benchmarks.experiments.studies.local_vs_global import compare
from benchmarks.report.formats import latex, markdown
from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.runs import ReportError, read_runs
from benchmarks.report.pages.forms import pages
from benchmarks.report.pages.headings import budget
from benchmarks.report.write import block_text, print_report
from tests.benchmarks.command_lines import docs
from tests.benchmarks.command_lines import report as main
from tests.benchmarks.report.tables import lines_of, only_page
from tests.benchmarks.run_folders import rows_of, write_run

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


def test_a_heading_says_what_is_unusual(tmp_path):
    write_run(tmp_path, "mas", tasks=["near", "far"])
    usual = budget(group(read_runs([tmp_path])))
    assert usual == "small-cnn, 32 px, 8 epochs per task, batch 32, learning rate 0.05, real images"
    own = {"source": "own", "image_size": None, "optimizer": "adam", "momentum": None}
    own |= {"transforms": "paper", "scenario": "class", "classes": 5, "images_per_class": 9}
    write_run(tmp_path / "own", "mas", tasks=["near", "far"], **own)
    assert budget(group(read_runs([tmp_path / "own"]))) == (
        "small-cnn, 8 epochs per task, batch 32, learning rate 0.05, the paper's transforms, "
        "class-incremental, 5 classes per task, 9 images per class, adam, own images"
    )
