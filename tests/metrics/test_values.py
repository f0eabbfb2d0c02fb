"""Values that degrade to what a logger can show."""

from __future__ import annotations

import io
import json
import pickle
import sys
from typing import Any

import numpy as np
import pytest
import wandb
from matplotlib.figure import Figure
from PIL import Image

from avalanche_mas.metrics.heatmap import heat_map, table
from avalanche_mas.metrics.values import Plot, Small, Table

MATRIX = np.array([[0.9, np.nan], [0.55, 0.805]])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.234e-7, "1.23e-07"),
        (-1e-5, "-1.00e-05"),
        (0.0, "0.0000"),
        (1e-4, "0.0001"),
        (2.5, "2.5000"),
    ],
)
def test_small_numbers_do_not_look_like_zero(value: float, text: str) -> None:
    assert f"{Small(value):.4f}" == text


def test_small_numbers_are_floats_elsewhere() -> None:
    small = Small(1.234e-7)
    assert small == 1.234e-7
    assert isinstance(small, float)
    assert f"{small:.1e}" == "1.2e-07"
    assert f"{Small(float('nan')):.4f}" == "nan"
    assert json.dumps(small) == "1.234e-07"
    assert pickle.loads(pickle.dumps(small)) == small


def drawn(_: Any) -> Figure:
    drawn.times += 1  # type: ignore[attr-defined]
    return Figure()


def test_a_picture_is_drawn_when_it_is_asked_for() -> None:
    drawn.times = 0  # type: ignore[attr-defined]
    picture = pickle.loads(pickle.dumps(Plot(drawn, MATRIX)))
    assert picture.best_supported_value(float, int) is None
    assert picture.best_supported_value(str) == str(picture) == "(a figure)"
    assert drawn.times == 0  # type: ignore[attr-defined]
    assert isinstance(picture.best_supported_value(str, Figure), Figure)
    assert drawn.times == 1  # type: ignore[attr-defined]
    assert [type(form) for form in picture.alternatives] == [Image.Image, Figure, str]


def test_a_picture_is_painted_once_for_all_loggers() -> None:
    drawn.times = 0  # type: ignore[attr-defined]
    picture = Plot(drawn, MATRIX)
    first, second = (picture.best_supported_value(Image.Image, Figure) for _ in range(2))
    assert first is second
    assert drawn.times == 1  # type: ignore[attr-defined]
    assert first.mode == "RGB"
    copied = pickle.loads(pickle.dumps(picture))
    assert copied.best_supported_value(Image.Image).tobytes() == first.tobytes()
    assert drawn.times == 2  # type: ignore[attr-defined]


def test_a_table_is_wandbs_where_it_is_supported() -> None:
    shown = table(MATRIX)
    found = shown.best_supported_value(str, wandb.Table)
    assert isinstance(found, wandb.Table)
    assert found.columns == ["learned", "task 0", "task 1"]
    assert found.data == [["task 0", 0.9, None], ["task 1", 0.55, 0.805]]
    assert shown.best_supported_value(str) == str(shown)
    assert shown.best_supported_value(Figure, float) is None


def test_a_table_does_without_wandb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "wandb")
    shown = Table(["a"], [[1]], "a\n1")
    assert shown.alternatives == ("\na\n1",)
    assert shown.best_supported_value(str) == "\na\n1"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("utf-8", "ΣΩ –"), ("cp1252", "?? –"), ("ascii", "?? ?")]
)
def test_a_table_can_be_shown_on_any_standard_output(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    text = str(Table(["a"], [[1]], "ΣΩ –"))
    sys.stdout.write(text)
    assert text == f"\n{shown}"


def test_the_matrix_as_text() -> None:
    _, head, *rows = str(table(MATRIX)).splitlines()
    assert head.split() == ["learned", "task", "0", "task", "1"]
    assert [row.split()[2:] for row in rows] == [["90.0", "–"], ["55.0", "80.5"]]
    assert len({len(line) for line in (head, *rows)}) == 1


def test_the_matrix_as_a_figure() -> None:
    axes = heat_map(MATRIX).axes[0]
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array().filled(np.nan), 100 * MATRIX)
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    assert texts == {(0, 0): "90", (0, 1): "55", (1, 1): "80"}


def test_many_tasks_are_drawn_without_numbers() -> None:
    assert not heat_map(np.full((25, 25), 0.5)).axes[0].texts
