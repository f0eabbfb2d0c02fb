"""The report's figures and files."""

import io
import shutil
from functools import partial

import numpy as np
import pytest
from PIL import Image

from benchmarks.report.figures.comparison import leading, matrices, outcome, sequence
from benchmarks.report.figures.drawing import grid, render
from benchmarks.report.numbers.summary import summarise
from benchmarks.report.pages.comparison import page as comparison
from benchmarks.report.write import print_report
from tests.benchmarks.report.tables import only_group
from tests.benchmarks.run_folders import lower_triangle, write_run


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
    assert render(partial(outcome, summaries), kind) == render(partial(outcome, summaries), kind)


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


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [
        (1, 5, (1, 1)),
        (3, 5, (1, 3)),
        (5, 5, (1, 5)),
        (6, 5, (2, 3)),
        (7, 5, (2, 4)),
        (8, 5, (2, 4)),
        (10, 5, (2, 5)),
        (13, 5, (3, 5)),
        (5, 4, (2, 3)),
        (12, 4, (3, 4)),
        (26, 7, (4, 7)),
    ],
)
def test_no_panel_is_alone(count, most, expected):
    assert grid(count, most) == expected


def test_every_axis_has_its_label(three_seeds):
    for figure in (sequence(only_group(three_seeds)), matrices(only_group(three_seeds))):
        panels = [panel for panel in figure.axes if panel.get_title(loc="left")]
        assert all(panel.get_xlabel() for panel in panels)
        assert panels[0].get_ylabel()
    assert [panel.get_xlabel() for panel in outcome(summarise(only_group(three_seeds))).axes] == [
        "%",
        "points",
    ]


@pytest.fixture
def many(tmp_path):
    """All methods; the number is the mean accuracy at the end, and EWC's two forms lead."""
    ends = {"ewc": 80, "ewc-repaired": 79, "lwf": 70, "lwf-repaired": 70, "imm-mean": 60}
    ends |= {"ebll": 50, "mas": 40, "l-mas": 30, "fine-tuning": 20, "si": 20, "joint": 90}
    for method, end in ends.items():
        matrix = np.where(np.tri(3), end / 100, np.nan)
        write_run(
            tmp_path, method, matrix=matrix[-1:].repeat(3, 0) if method == "joint" else matrix
        )
    return tmp_path


def test_at_most_six_lines_that_can_be_told_apart(many):
    group = only_group(many)
    assert leading(group) == [
        ["fine-tuning", "si"],
        ["lwf-repaired", "lwf"],
        ["ewc"],
        ["mas"],
        ["l-mas"],
        ["joint"],
    ]
    drawn = sequence(group, leading(group))
    named = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert named == [
        "Fine-tuning and SI as shipped",
        "LwF, as shipped and repaired",
        "EWC as shipped",
        "MAS",
        "l-MAS",
        "Joint training",
    ]
    assert len(drawn.axes[0].lines) == 6


def test_the_complete_figure_is_there_if_lines_are_left_out(many):
    figures = comparison([only_group(many)]).figures
    assert "the others with the highest mean accuracy" in figures["sequence"].caption
    assert len(figures["sequence-all"].draw().axes[0].lines) == 9
    for method in ("ewc", "lwf", "imm-mean", "ebll"):
        shutil.rmtree(many / "eight-tasks" / "flowers-birds-svhn" / method)
    figures = comparison([only_group(many)]).figures
    assert "sequence-all" not in figures
    assert "At most" not in figures["sequence"].caption
