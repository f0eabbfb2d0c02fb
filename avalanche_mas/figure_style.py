"""The style of all figures, in the library and the report, and their files. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from avalanche_mas.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, PALE, FILL = "#333333", "#dddddd", "#0072b2"
"""The colours of text and lines, of what is behind them, and of what is shown."""

TALLEST = 160.0
"""The greatest height of a figure in inches: a PNG has at most 2¹⁶ pixels."""

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "text.color": INK,
    "text.usetex": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
}


def drawn(draw: Callable[[], Figure], path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw a figure in this style, and write it to a PNG or PDF file if one is named.

    Args:
        draw: makes the figure.
        path: the file; its name says which.

    Raises:
        FileNotFoundError: there is no folder for the file.
        ValueError: the name ends neither in .png nor in .pdf.
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        return draw() if path is None else _written(draw, path)


def _written(draw: Callable[[], Figure], path: str | os.PathLike[str]) -> Figure:
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in ("png", "pdf"):
        raise ValueError(f"the name of the figure must end in .png or .pdf, got '{path}'")
    metadata = {"CreationDate": None} if kind == "pdf" else None
    with replacing(path) as temporary:
        figure = draw()
        figure.savefig(
            temporary, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.08
        )
    return figure
