"""The style of all figures, in the library and the report, and their files. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
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

    kind = Path("of.png" if path is None else path).suffix.lower().removeprefix(".")
    if kind not in ("png", "pdf"):
        raise ValueError(f"the name of the figure must end in .png or .pdf, got '{path}'")
    metadata = {"CreationDate": None} if kind == "pdf" else None
    with rc_context(STYLE), nullcontext() if path is None else replacing(path) as temporary:
        figure = draw()
        if temporary is not None:
            figure.savefig(
                temporary, format=kind, metadata=metadata, bbox_inches="tight", pad_inches=0.08
            )
    return figure
