"""Ω by layer as a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from avalanche_mas.importance import Importance, layers_figure

OMEGA = {
    "0.weight": torch.tensor([[1.0, 2.0], [3.0, 0.0]]),
    "0.bias": torch.tensor([4.0]),
    "2.weight": torch.zeros(2, 2),
    "$scale_1$": torch.tensor(30.0),
    "empty": torch.zeros(0),
}


def test_bars_are_shares_and_dots_are_means() -> None:
    shares, means = layers_figure(OMEGA).axes
    assert [label.get_text() for label in shares.get_yticklabels()] == [
        "0", "2", r"\$scale_1\$", "empty"
    ]  # fmt: skip
    assert [bar.get_width() for bar in shares.patches] == [25.0, 0.0, 75.0, 0.0]
    assert [text.get_text() for text in shares.texts] == ["25.0", "0", "75.0", "0"]
    (dots,) = means.lines
    dot = [float(x) for x in dots.get_xdata()]
    assert dot[0] == 2.0
    assert dot[2] == 30.0
    assert math.isnan(dot[1])
    assert math.isnan(dot[3])
    assert means.get_xlim() == (1.0, 100.0)
    assert shares.yaxis_inverted()


def test_a_row_has_the_same_height_however_many_there_are(tmp_path: Path) -> None:
    def height(layers: int) -> float:
        omega = {f"blocks.{k}.weight": torch.rand(3) for k in range(layers)}
        return layers_figure(omega).get_size_inches()[1]

    assert math.isclose(height(60) - height(10), 50 * (height(11) - height(10)))
    Importance(OMEGA, 3).plot(tmp_path / "omega.png")
    with Image.open(tmp_path / "omega.png") as image:
        assert image.width > image.height
    Importance(OMEGA, 3).plot(tmp_path / "omega.pdf")
    assert (tmp_path / "omega.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("omega", "name", "message"),
    [
        (OMEGA, "omega.svg", "must end in .png or .pdf, got '.*omega.svg'"),
        ({"weight": torch.zeros(2)}, "omega.png", "zero everywhere"),
        ({"weight": -torch.ones(2)}, "omega.png", "'weight' must be finite and not negative"),
        ({"weight": torch.full((2,), math.nan)}, "omega.png", "'weight' must be finite"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    omega: Any, name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        Importance(omega, 3).plot(tmp_path / name)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="make the folder"):
        Importance(omega, 3).plot(tmp_path / "missing" / "omega.png")
