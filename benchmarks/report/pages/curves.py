"""The curves of the methods: what each gains and loses over its strengths, from the record of tuning."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from avalanche_mas.figure_style import INK, PALE
from benchmarks.record.tuned import CurvePoint, near_best
from benchmarks.report.figures.drawing import WIDTH, brief, line_of
from benchmarks.report.names import in_order, is_upper_bound, look, method_named, title
from benchmarks.report.numbers.summary import Stat
from benchmarks.report.tables import Column, Table, percent, table_of

SHOWN = ("si-repaired", "ewc", "ewc-repaired", "mas", "l-mas", "lwf-repaired")
"""The methods whose curves are drawn: six can be told apart. The table has all."""


class Curve(NamedTuple):
    """A method's mean accuracies by ascending strength; fractions, each over tasks and seeds."""

    method: str
    points: Sequence[CurvePoint]

    @property
    def accuracies(self) -> list[float]:
        """The mean accuracy at the end by strength, over seeds."""
        return [statistics.fmean(point["accuracy"]) for point in self.points]

    @property
    def best(self) -> CurvePoint:
        """The point with the highest accuracy, the first of several."""
        return self.points[self.accuracies.index(max(self.accuracies))]

    @property
    def usual(self) -> CurvePoint | None:
        """The point of the strength that is usual for the method, where it was measured."""
        centre = method_named(self.method).centre
        return next((point for point in self.points if point["strength"] == centre), None)

    @property
    def usable(self) -> str | None:
        """The strengths near the best, in print: with ≤ or ≥ where the grid ends among them."""
        near = near_best(self.accuracies)
        first, last = self._ends
        if first is None:
            return None
        weakest = "≤ " * (near[0] == 0)
        strongest = "≥ " * (near[-1] == len(self.points) - 1)
        return f"{weakest}{first:g} to {strongest}{last:g}"

    @property
    def decades(self) -> float | None:
        """The width of that range in factors of ten."""
        first, last = self._ends
        return math.log10(last / first) if first and last else None

    @property
    def _ends(self) -> tuple[float | None, float | None]:
        near = near_best(self.accuracies)
        return self.points[near[0]]["strength"], self.points[near[-1]]["strength"]


def curves(found: Mapping[str, Any]) -> list[Curve]:
    """Return the methods' curves in the order of the tables, from what tuning recorded."""
    methods = found["methods"]
    return [Curve(method, methods[method]["curve"]) for method in in_order(methods)]


def table(found: Mapping[str, Any]) -> Table:
    """Return what each method reaches at its best strength and its usual one, and its usable range."""
    config, shown = found["configuration"], curves(found)
    seeds = len(shown[0].best["accuracy"])
    return table_of(
        "curves",
        f"Over all strengths: {len(config['tasks'])} tasks, {config['model']}, validation data",
        [
            Column("Method", lambda curve: curve.method, title),
            Column("Best mean accuracy, %", lambda curve: curve.best["accuracy"], _percent),
            Column("Forgetting there, points", lambda curve: curve.best["forgetting"], _percent),
            Column("Learned there, %", lambda curve: curve.best["learned"], _percent),
            Column("λ there", lambda curve: curve.best["strength"], "{:g}".format),
            Column("Usual λ", lambda curve: method_named(curve.method).centre, "{:g}".format),
            Column(
                "Accuracy there, %", lambda curve: curve.usual and curve.usual["accuracy"], _percent
            ),
            Column("λ within 5 points of the best", lambda curve: curve.usable),
            Column("Factors of ten", lambda curve: curve.decades, "{:.1f}".format),
        ],
        shown,
        [
            f"Mean{' ± standard deviation' * (seeds > 1)} over {seeds} seed{'s' * (seeds > 1)} of tuning."
            f" Strengths are in steps of √10. Within 5 points: the unbroken range around the best; ≤"
            " and ≥ where the grid ended inside that range."
        ],
    )


def figure(found: Mapping[str, Any]) -> Figure:
    """Draw the accuracy at the end against the accuracy when learned, and against the strength."""
    drawn = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    traded, ranged = drawn.subplots(1, 2, sharey=True)
    for panel in (traded, ranged):
        panel.grid(color=PALE, linewidth=0.5)
    for curve in curves(found):
        if is_upper_bound(curve.method):
            for panel in (traded, ranged):
                panel.axhline(100 * max(curve.accuracies), color=INK, linewidth=0.8, linestyle=":")
            ranged.annotate(
                brief(title(curve.method).lower()),
                (0.02, 100 * max(curve.accuracies)),
                xycoords=("axes fraction", "data"),
                va="bottom",
                fontsize=7,
            )
        elif curve.method in SHOWN or curve.best["strength"] is None:
            _draw(traded, ranged, curve)
    low, high = traded.get_xlim()
    traded.plot([low, high], [low, high], color=INK, linewidth=0.6, scalex=False, scaley=False)
    traded.set_xlabel("accuracy when just learned, %")
    traded.set_ylabel("mean accuracy at the end, %")
    traded.set_title("line: nothing forgotten", fontsize=7, fontweight="normal", loc="left")
    ranged.set_xscale("log")
    ranged.set_xlabel("λ / the usual λ")
    drawn.legend(*traded.get_legend_handles_labels(), loc="outside right upper")
    return drawn


def _draw(traded: Any, ranged: Any, curve: Curve) -> None:
    style, y = line_of(look(curve.method)), [100 * one for one in curve.accuracies]
    sound = [k for k, point in enumerate(curve.points) if point["learned"] is not None]
    x = [100 * statistics.fmean(curve.points[k]["learned"] or ()) for k in sound]
    traded.plot(x, [y[k] for k in sound], label=brief(title(curve.method)), linewidth=1.0, **style)
    centre = method_named(curve.method).centre
    if centre is not None:
        strengths = [(point["strength"] or 0.0) / centre for point in curve.points]
        ranged.plot(strengths, y, linewidth=1.0, **style)


def _percent(fractions: Sequence[float]) -> str:
    return percent(Stat.of(fractions))
