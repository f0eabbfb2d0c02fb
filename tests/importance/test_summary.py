"""Ω in numbers and as a picture."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avalanche_mas.importance import Importance, Measure
from avalanche_mas.importance.result import histogram
from avalanche_mas.importance.result.ranked import flat
from avalanche_mas.importance.result.summary import LayerSummary, Summary


def slow_quantile(values: list[float], level: float) -> float:
    """Linear interpolation between the two nearest ranks."""
    ordered, rank = sorted(values), level * (len(values) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(values) - 1)
    return ordered[below] + (rank - below) * (ordered[above] - ordered[below])


def check(row: LayerSummary, values: list[float], total: float) -> None:
    levels = (0.05, 0.5, 0.95, 0.99)
    expected = [
        sum(values) / len(values),
        *(slow_quantile(values, level) for level in levels),
        max(values),
        sum(values) / total,
    ]
    assert row.entries == len(values)
    assert list(row[2:]) == pytest.approx(expected, rel=1e-12, abs=1e-300)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), min_size=2, max_size=4))
def test_the_numbers_are_those_of_the_definition(values: list[list[float]]) -> None:
    tensors = [torch.tensor(entries, dtype=torch.float64) for entries in values]
    omega = Importance({f"{k}.weight": tensor for k, tensor in enumerate(tensors)}, 1)
    total = sum(map(sum, values)) or math.inf
    summary = omega.summary()
    for row, entries in zip(summary.rows, values, strict=True):
        check(row, entries, total)
    check(summary.total, [entry for entries in values for entry in entries], total)


def layers(dtype: torch.dtype = torch.float32) -> Importance:
    return Importance(
        {
            "token": torch.tensor([[4.0, 0.0]], dtype=dtype),
            "blocks.0.fc.weight": torch.tensor([[1.0, 2.0], [3.0, 0.0]], dtype=dtype),
            "norm.weight": torch.tensor(6.0, dtype=dtype),
            "blocks.0.fc.bias": torch.tensor([0.0, 0.0], dtype=dtype),
        },
        1200,
        measure=Measure("vector"),
    )


def test_a_layer_is_a_module_or_a_parameter_of_the_model_itself() -> None:
    summary = layers().summary()
    assert [(row.layer, row.entries) for row in summary.rows] == [
        ("token", 2),
        ("blocks.0.fc", 6),
        ("norm", 1),
    ]
    assert [row.share for row in summary.rows] == [0.25, 0.375, 0.375]
    assert (summary.total.layer, summary.total.entries, summary.total.share) == ("all", 9, 1)
    assert (summary.samples, summary.measure) == (1200, Measure("vector"))


def test_it_prints_as_a_table() -> None:
    text = str(layers().summary())
    title, header, rule, *rows, _, total = text.splitlines()
    assert title == "Importance (vector), mean over 1,200 samples"
    assert header.split("  ")[0] == "layer"
    assert [row.split()[0] for row in rows] == ["token", "blocks.0.fc", "norm"]
    assert rows[1].split() == [
        *("blocks.0.fc", "6", "1.00e+00", "0.00e+00", "5.00e-01", "2.75e+00", "2.95e+00"),
        *("3.00e+00", "37.5", "%"),
    ]
    assert total.split()[0] == "all"
    assert {len(line) for line in (header, rule, *rows, total)} == {len(rule)}
    assert str(Importance({"w": torch.ones(1)}, 1).summary()).startswith(
        "Importance (l2), mean ove"
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_every_dtype_can_be_summarised(dtype: torch.dtype) -> None:
    assert layers(dtype).summary() == layers().summary()


def test_nothing_is_changed_by_looking() -> None:
    omega = Importance({"w": torch.rand(7, 5)}, 1)
    before = omega["w"].clone()
    omega.summary()
    assert torch.equal(omega["w"], before)
    assert flat(omega, ["w"]).tolist() == before.flatten().tolist()


def test_an_importance_of_zero_has_no_shares() -> None:
    summary = Importance({"a.w": torch.zeros(3), "b.w": torch.zeros(2)}, 1).summary()
    assert [row.share for row in (*summary.rows, summary.total)] == [0, 0, 0]


def test_a_layer_without_entries_is_shown() -> None:
    summary: Summary = Importance({"a.w": torch.zeros(0), "b.w": torch.ones(2)}, 1).summary()
    assert summary.rows[0].entries == 0
    assert all(math.isnan(number) for number in summary.rows[0][2:8])
    assert summary.rows[1].share == 1
    assert "nan" in str(summary)


def test_quantiles_are_exact_for_more_entries_than_a_float_can_count() -> None:
    """`torch.quantile` refuses these, and float32 ranks would be off by several entries."""
    count = 2**24 + 2**20 + 1
    steps = torch.arange(count, dtype=torch.int32).view(torch.float32)  # neighbouring floats
    row = Importance({"w": steps.flip(0)}, 1).summary().total
    found = (row.q05, row.q50, row.q95, row.q99)
    for level, value in zip((0.05, 0.5, 0.95, 0.99), found, strict=True):
        below = math.floor(level * (count - 1))
        assert float(steps[below]) <= value <= float(steps[below + 1])
    assert row.maximum == float(steps[-1])


SIGNATURES = {".png": b"\x89PNG", ".pdf": b"%PDF", ".PNG": b"\x89PNG"}


@pytest.mark.parametrize("suffix", SIGNATURES)
def test_the_figure_is_of_the_kind_that_its_name_says(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"omega{suffix}"
    layers().histogram(path)
    content = path.read_bytes()
    assert content.startswith(SIGNATURES[suffix])
    assert len(content) > 5000
    layers().histogram(str(path))
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def figure_of(omega: Importance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The figure's only axes."""
    figures: list[Any] = []
    build = histogram._figure
    monkeypatch.setattr(histogram, "_figure", lambda *a: figures.append(build(*a)) or figures[0])
    omega.histogram(tmp_path / "omega.png")
    (axes,) = figures[0].axes
    return axes


def test_the_figure_shows_every_layer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    axes = figure_of(layers(), monkeypatch, tmp_path)
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "token",
        "blocks.0.fc",
        "norm",
    ]
    texts = [text.get_text() for text in axes.texts]
    assert texts[:6] == ["25.0 %", "50.0 %", "37.5 %", "50.0 %", "37.5 %", "–"]
    steps = [patch.get_data() for patch in axes.patches]
    assert [step.baseline for step in steps] == [2, 1, 0]
    for step, entries in zip(steps, ([4], [1, 2, 3], [6]), strict=True):
        bins = np.flatnonzero(step.values > step.baseline)
        assert len(bins) == len(entries)
        for k, entry in zip(bins, entries, strict=True):
            assert step.edges[k] <= np.log10(entry) <= step.edges[k + 1]
    medians = [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1]
    assert medians == pytest.approx(np.log10([4, 2, 6]))


def test_bins_count_the_entries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    powers = torch.tensor([0.0, -3, -3, -3, -3, -1, -1])
    axes = figure_of(Importance({"w": 10**powers}, 1), monkeypatch, tmp_path)
    (patch,) = axes.patches
    heights = patch.get_data().values
    assert sorted(heights[heights > 0] / heights.max()) == [0.25, 0.5, 1]


def test_the_lowest_entries_are_in_the_first_bin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = torch.full((10_000,), 1e-3)
    values[:5], values[5:10] = 1e-30, 1.0
    axes = figure_of(Importance({"w": values}, 1), monkeypatch, tmp_path)
    assert axes.get_xlim()[0] > -4
    (patch,) = axes.patches
    assert patch.get_data().values[0] > 0


def test_layers_of_zeros_or_nothing_have_no_ridge(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = {"a.w": torch.zeros(3), "b.w": torch.zeros(0), r"$\none$": torch.full((2, 2), 3.0)}
    axes = figure_of(Importance(values, 1), monkeypatch, tmp_path)
    assert len(axes.patches) == 1
    assert [text.get_text() for text in axes.texts[:4]] == ["–", "100.0 %", "–", "–"]
    low, high = axes.get_xlim()
    assert high - low >= 2


def test_without_a_name_the_figure_is_returned_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown, saved = layers().histogram(), layers().histogram("omega.png")
    labels = [[tick.get_text() for tick in one.axes[0].get_yticklabels()] for one in (shown, saved)]
    assert labels[0] == labels[1] == ["token", "blocks.0.fc", "norm"]
    assert [file.name for file in tmp_path.iterdir()] == ["omega.png"]


def test_global_settings_are_as_before(tmp_path: Path) -> None:
    with mpl.rc_context({"font.size": 17}):
        before = dict(mpl.rcParams)
        layers().histogram(tmp_path / "omega.png")
        assert dict(mpl.rcParams) == before


def test_drawing_needs_no_screen_and_importing_needs_no_matplotlib(tmp_path: Path) -> None:
    code = (
        "import sys, torch\n"
        "from avalanche_mas.importance.result.importance import Importance\n"
        "assert 'matplotlib' not in sys.modules\n"
        "Importance({'w': torch.ones(2)}, 1).histogram(sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "omega.png")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["omega", "omega.jpg", "png"])
def test_refuses_other_kinds_of_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"must end in \.png or \.pdf, got '.*{name}'"):
        layers().histogram(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 0.0], "zero everywhere"),
        ([1.0, -1.0], "'w' must be finite and not negative"),
        ([1.0, float("nan")], "'w' must be finite"),
    ],
)
def test_refuses_to_draw(tmp_path: Path, values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Importance({"w": torch.tensor(values)}, 1).histogram(tmp_path / "omega.png")


def test_a_failing_drawing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "omega.png"
    layers().histogram(path)
    before = path.read_bytes()

    def fail(_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(histogram, "_figure", fail)
    with pytest.raises(MemoryError):
        layers().histogram(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="make the folder"):
        layers().histogram(tmp_path / "nowhere" / "omega.png")
