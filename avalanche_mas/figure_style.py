"""The style of all figures, in the library and the report, and their files. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from avalanche_mas.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, PALE = "#333333", "#dddddd"
"""The colours of text and lines, and of the background behind them."""

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


def save_figure(path: str | os.PathLike[str], draw: Callable[[], Figure]) -> None:
    """Draw a figure in this style into a PNG or PDF file.

    Args:
        path: the file; its name says which.
        draw: makes the figure.

    Raises:
        FileNotFoundError: there is no folder for the file.
        ValueError: the name ends neither in .png nor in .pdf.
    """
    from matplotlib import rc_context

    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in ("png", "pdf"):
        raise ValueError(
            f"the name of the figure must end in .png or .pdf, got {os.fspath(path)!r}"
        )
    metadata = {"CreationDate": None} if kind == "pdf" else None
    with rc_context(STYLE), replacing(path) as temporary:
        draw().savefig(
            temporary, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.08
        )
