"""The common style of all figures, and their files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from avalanche_mas.figure_style import INK, STYLE
from benchmarks.methods import Look

DOTS = (0, (1, 1.5))
DASHES = (0, (3, 1.5))
COLOURS = "viridis"

WIDTH = 8.5
"""The full width of a figure in inches, for letters of 8 points."""

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
"""The place of a label: to the right of its point."""

LONGEST = 18
"""The most letters of a name in a figure."""

_NO_DATE = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": None}


def grid(count: int, most: int = 5) -> tuple[int, int]:
    """Return rows and columns for panels: at most so many columns, and few places left empty."""
    fewest = count if count <= most else most // 2 + 1
    columns = min(range(min(count, most), fewest - 1, -1), key=lambda columns: -count % columns)
    return -(-count // columns), columns


def brief(name: str, *, end: bool = False) -> str:
    """Shorten a name for figures to its beginning or end, and escape it from mathematics."""
    if len(name) > LONGEST:
        name = "…" + name[1 - LONGEST :] if end else name[: LONGEST - 1] + "…"
    return name.replace("$", r"\$")


def line_of(look: Look) -> dict[str, Any]:
    """Return the look of a method's line."""
    return {
        "color": look.colour,
        "marker": look.marker,
        "linestyle": DASHES if look.dashed else "-",
    }


def name_rows(panel: Any, names: Sequence[str], margin: float = 0.6) -> None:
    """Name the rows of a panel, which are whole numbers of y, from the top down."""
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 1 + margin, -margin)


def without_frame(panel: Any) -> None:
    """Draw a line at x = 0 instead of the frame of a panel with rows."""
    panel.axvline(0, color=INK, linewidth=0.6)
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)


def name_axes(axes: Any, count: int, x: str, y: str) -> None:
    """Name the axes of a grid of panels [rows, columns]: below the lowest ones, beside the first ones.

    Only the first `count` panels are used.
    """
    columns = axes.shape[1]
    for k, panel in enumerate(axes.flat):
        panel.set_xlabel(x if k + columns >= count else "")
        panel.set_ylabel("" if k % columns else y)


def handles_of(panels: Iterable[Any]) -> dict[str, Any]:
    """Return what a legend of some panels shows, each label once."""
    return {
        label: handle
        for panel in panels
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }


def draw_heat_map(panel: Any, values: Any, norm: Normalize, **how: Any) -> None:
    """Draw numbers as colours, without a frame."""
    panel.imshow(values, cmap=COLOURS, norm=norm, **how)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)


def colour_bar(figure: Figure, panels: Any, norm: Normalize, label: str, **how: Any) -> Any:
    """Draw the scale of heat maps, and return it."""
    bar = figure.colorbar(ScalarMappable(norm, COLOURS), ax=panels, aspect=30, **how)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar


def render(draw: Callable[[], Figure], *kinds: str) -> list[bytes]:
    """Draw a figure; return it as the contents of "png", "pdf" or "svg" files, without a date."""
    buffers = [io.BytesIO() for _ in kinds]
    with rc_context(REPORT_STYLE):
        figure = draw()
        for buffer, kind in zip(buffers, kinds, strict=True):
            figure.savefig(
                buffer, format=kind, metadata=_NO_DATE[kind], bbox_inches="tight", pad_inches=0.05
            )
    return [buffer.getvalue() for buffer in buffers]
