"""The report's figures and files."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.report.figures.comparison import matrices, outcome, sequence
from benchmarks.report.figures.drawing import render
from benchmarks.report.numbers.summary import summarise
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
