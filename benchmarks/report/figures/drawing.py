"""How all figures are drawn, and their files."""

from __future__ import annotations

import io

from matplotlib import rc_context
from matplotlib.figure import Figure

INK, PALE = "#333333", "#dddddd"
DOTS = (0, (1, 1.5))
DASHES = (0, (3, 1.5))
COLOURS = "viridis"

WIDTH = 7.0
"""The most that a figure is wide, in inches: a page's text, at which letters have 8 points."""

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "avalanche-mas",
}

LONGEST = 18
"""The most letters that a name in a figure has."""

_NO_DATE = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": None}


def brief(name: str, *, end: bool = False) -> str:
    """A name as figures show it: cut where it is too long, and never taken for mathematics.

    Args:
        name: of a task, method or layer.
        end: whether it is the end of the name that tells it from others.
    """
    if len(name) > LONGEST:
        name = "…" + name[1 - LONGEST :] if end else name[: LONGEST - 1] + "…"
    return name.replace("$", r"\$")


def render(figure: Figure, kind: str) -> bytes:
    """The contents of a "png", "pdf" or "svg" file of a figure, without a date inside."""
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(
            buffer, format=kind, metadata=_NO_DATE[kind], bbox_inches="tight", pad_inches=0.05
        )
    return buffer.getvalue()
