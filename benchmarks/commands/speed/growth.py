"""What the suite of scale shows: a table for every series, and the figure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from matplotlib.figure import Figure

from avalanche_mas.figure_style import INK, PALE
from benchmarks.commands.speed.timing import milliseconds, ratio, ratio_text
from benchmarks.methods import Look
from benchmarks.report.figures.drawing import DOTS, WIDTH, handles_of, line_of
from benchmarks.report.formats import bare_markdown
from benchmarks.report.tables import Column

Row = Mapping[str, Any]

LOOKS = {
    "importance": Look("#d55e00", "o"),
    "plain": Look("#777777", "D"),
    "penalty": Look("#0072b2", "s"),
    "training": Look("#009e73", "^"),
}
TIMES = {
    "importance": "importance pass",
    "plain": "step without penalty",
    "penalty": "penalty alone",
}
PEAKS = {
    "importance": "importance pass",
    "plain": "step without penalty",
    "training": "pass, penalty and step, task after task",
}

_written = "{:.2f}".format


def table(found: Row) -> str:
    """Show every series, with the exponents of its growth, and the largest network by its stages."""
    series = {name: rows for name, rows in found["series"].items() if len(rows) > 1}
    parts = [f"Growing {name}:\n\n{_series(_grows(name), rows)}" for name, rows in series.items()]
    largest = {n: rows[0] for n, rows in found["series"].items() if len(rows) == 1}
    parts += [f"{name}:\n\n{_stages(row)}" for name, row in largest.items()]
    return "\n\n".join(parts)


def figure(found: Row) -> Figure:
    """Draw time and peak memory over tasks, samples and parameters, on logarithmic axes."""
    series = {name: rows for name, rows in found["series"].items() if len(rows) > 1}
    drawn = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    panels = drawn.subplots(2, len(series), squeeze=False, sharex="col", sharey="row")
    for (upper, lower), (name, rows) in zip(panels.T, series.items(), strict=True):
        x = [row[_grows(name)] for row in rows]
        upper.set_title(name.capitalize().replace(" by", ",\nby"), loc="left")
        lower.set_xlabel(_grows(name))
        for panel in (upper, lower):
            panel.set_xscale("log")
            panel.grid(axis="y", color=PALE, linewidth=0.5)
        _draw_times(upper, x, rows, 0 if name == "tasks" else 1)
        for what, label in PEAKS.items():
            peaks = [_multiple(row, what) for row in rows]
            lower.plot(x, peaks, label=label, **line_of(LOOKS[what]))
        ticks = [x[0], x[len(x) // 2], x[-1]]
        lower.set_xticks(ticks, map(_brief, ticks))
        lower.set_xticks([], minor=True)
    panels[0, 0].set_yscale("log")
    panels[0, 0].set_ylabel("time, ms")
    panels[1, 0].set_ylabel("peak memory / model's size")
    panels[1, 0].set_ylim(bottom=0)
    handles = handles_of(panels[:, 0])
    drawn.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)
    return drawn


def _draw_times(panel: Any, x: list[int], rows: Sequence[Row], slope: int) -> None:
    """Draw median times with their range, and a line of this slope through the last pass."""
    for what, label in TIMES.items():
        times = [[1e3 * s for s in row["seconds"][what]] for row in rows]
        panel.plot(
            x, [statistics.median(own) for own in times], label=label, **line_of(LOOKS[what])
        )
        bounds = [min(own) for own in times], [max(own) for own in times]
        panel.fill_between(x, *bounds, color=LOOKS[what].colour, alpha=0.15, linewidth=0)
    last = 1e3 * statistics.median(rows[-1]["seconds"]["importance"])
    ideal = [last * (one / x[-1]) ** slope for one in x]
    panel.plot(x, ideal, color=INK, linestyle=DOTS, lw=1, label="flat or proportional")


def _brief(number: int) -> str:
    return f"{number:,}" if number < 1e5 else f"{number / 1e6:.{1 if number < 1e7 else 0}f} M"


def _grows(name: str) -> str:
    """Return what grows along a series."""
    return name.split()[0]


def _series(grows: str, rows: Sequence[Row]) -> str:
    columns: list[Column[Row]] = [
        Column(grows, itemgetter(grows), "{:,}".format),
        milliseconds("pass, ms", lambda row: statistics.median(row["seconds"]["importance"])),
        milliseconds("penalty, ms", lambda row: statistics.median(row["seconds"]["penalty"])),
        Column("step with penalty / without", _over_plain, ratio_text),
        Column("Ω and θ* / model", lambda row: row["held_bytes"] / row["model_bytes"], _written),
        *(
            Column(title, partial(_multiple, what=what), _written)
            for what, title in _TITLES.items()
        ),
    ]
    return (
        f"{bare_markdown(columns, rows)}\n\n"
        f"Exponents of time over {grows}, in the lower half of the table (0: flat, 1: proportional): "
        f"pass {exponent(grows, 'importance', rows):.2f}, "
        f"penalty {exponent(grows, 'penalty', rows):.2f}."
    )


_TITLES = {
    "plain": "peak, step without penalty / model",
    "importance": "peak, pass / model",
    "training": "peak, task after task / model",
}


def exponent(grows: str, what: str, rows: Sequence[Row]) -> float:
    """Return a of the least-squares fit of the median times by x^a, over the larger half of x."""
    rows = rows[min(len(rows) // 2, len(rows) - 2) :]
    x = [math.log(row[grows]) for row in rows]
    y = [math.log(statistics.median(row["seconds"][what])) for row in rows]
    return statistics.linear_regression(x, y).slope


def _stages(row: Row) -> str:
    columns: list[Column[str]] = [
        Column("stage", str),
        Column("s", lambda stage: row["seconds"][stage][0], "{:.1f}".format),
        Column("peak so far / model", lambda stage: _multiple(row, stage), _written),
    ]
    return (
        f"{row['parameters'] / 1e9:.2f} · 10⁹ parameters, {row['model_bytes'] / 1e9:.1f} GB, "
        f"{row['samples']} samples\n\n{bare_markdown(columns, row['seconds'])}"
    )


def _over_plain(row: Row) -> dict[str, float]:
    return ratio(row["seconds"]["step"], row["seconds"]["plain"])


def _multiple(row: Row, what: str) -> float | None:
    peak = row["peak_bytes"][what]
    return None if peak is None else peak / row["model_bytes"]
