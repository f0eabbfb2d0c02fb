"""How all figures are drawn, and their files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from avalanche_mas.figure_style import INK, STYLE
from benchmarks.methods import Look

DOTS = (0, (1, 1.5))
DASHES = (0, (3, 1.5))
COLOURS = "viridis"

WIDTH = 7.0
"""The most that a figure is wide, in inches: a page's text, at which letters have 8 points."""

REPORT_STYLE = {
    **STYLE,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "svg.hashsalt": "avalanche-mas",
}

BESIDE = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
"""Where a label stands: to the right of its point."""

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


def line_of(look: Look) -> dict[str, Any]:
    """How a method's line looks."""
    return {
        "color": look.colour,
        "marker": look.marker,
        "linestyle": DASHES if look.dashed else "-",
    }


def name_rows(panel: Any, names: Sequence[str], margin: float = 0.6) -> None:
    """Name the rows of a panel, from the top down.

    Args:
        panel: the axes; rows are whole numbers of y.
        names: the rows' names.
        margin: the room above the first row and below the last.
    """
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 1 + margin, -margin)


def without_frame(panel: Any) -> None:
    """Leave of a panel with rows only the line where x is zero."""
    panel.axvline(0, color=INK, linewidth=0.6)
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)


def render(figure: Figure, kind: str) -> bytes:
    """The contents of a "png", "pdf" or "svg" file of a figure, without a date inside."""
    buffer = io.BytesIO()
    with rc_context(REPORT_STYLE):
        figure.savefig(
            buffer, format=kind, metadata=_NO_DATE[kind], bbox_inches="tight", pad_inches=0.05
        )
    return buffer.getvalue()
