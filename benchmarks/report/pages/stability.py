"""Accuracy over the strength of MAS: the penalty damped or explicit, with clipping and without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from avalanche_mas.figure_style import PALE
from benchmarks.methods import Look
from benchmarks.report.figures.drawing import line_of
from benchmarks.report.tables import Cell, Table

TOLERANCE = 0.05
"""How far below its best accuracy a form may be to count as within its range of strengths."""


class Form(NamedTuple):
    """A way to train: how the penalty is applied, and the largest 2-norm of the gradient."""

    penalty: str
    clip: float | None
    look: Look

    @property
    def title(self) -> str:
        """Its name in print."""
        return f"{self.penalty}, {'not clipped' if self.clip is None else 'clipped'}"


FORMS = (
    Form("damped", 5.0, Look("#d55e00", "o")),
    Form("damped", None, Look("#d55e00", "s", dashed=True)),
    Form("explicit", 5.0, Look("#0072b2", "o")),
    Form("explicit", None, Look("#0072b2", "s", dashed=True)),
)

Run = Mapping[str, Any]


def table(found: Mapping[str, Any]) -> Table:
    """Return the accuracies by strength and form, and the range of strengths that are near the best.

    Args:
        found: What `benchmarks.commands.stability` recorded.
    """
    runs: list[Run] = found["runs"]
    strengths = sorted({run["strength"] for run in runs})
    columns = [{run["strength"]: run for run in _of(runs, form)} for form in FORMS]
    rows = [
        [Cell(f"{strength:g}"), *(_accuracy(column.get(strength)) for column in columns)]
        for strength in strengths
    ]
    within = [_range(list(column.values())) for column in columns]
    rows.append([Cell("within 5 points of the best"), *map(Cell, within)])
    clipped = [_clipped(list(column.values())) for column in columns]
    rows.append([Cell("steps clipped, % (all tasks)"), *map(Cell, clipped)])
    first = runs[0]
    return Table(
        "stability",
        f"Mean accuracy of MAS after the sequence, %, by λ ({len(first['tasks'])} tasks, {first['model']})",
        ["λ", *(form.title for form in FORMS)],
        rows,
        [
            f"One run each, seed {first['seed']}, validation data, learning rate "
            f"{first['learning_rate']:g}. Clipping is to a 2-norm of 5: of the whole gradient with an "
            "explicit penalty, of the task's own with a damped one. Stopped: the loss or a gradient was "
            "not finite. Within 5 points: the λ around the best without a gap.",
        ],
        narrow=len(FORMS) + 1,
    )


def figure(found: Mapping[str, Any]) -> Figure:
    """Draw the accuracies over the strength, a line per form; runs that stopped are at 0."""
    drawn = Figure(figsize=(5.2, 2.9), layout="constrained")
    panel = drawn.subplots()
    panel.grid(axis="y", color=PALE, linewidth=0.5)
    panel.axvline(1, color=PALE, linewidth=1.0)
    for form in FORMS:
        runs = _of(found["runs"], form)
        y = [100 * (run["accuracy"] or 0.0) for run in runs]
        panel.plot([run["strength"] for run in runs], y, label=form.title, **line_of(form.look))
    panel.set_xscale("log")
    panel.set_xlabel("λ (1 in the paper)")
    panel.set_ylabel("mean accuracy at the end, %")
    panel.set_ylim(bottom=-2)
    drawn.legend(loc="outside right upper")
    return drawn


def _of(runs: Sequence[Run], form: Form) -> list[Run]:
    """Return the runs of a form, by ascending strength."""
    own = [r for r in runs if (r["penalty"], r["gradient_clip"]) == (form.penalty, form.clip)]
    return sorted(own, key=lambda run: float(run["strength"]))


def _accuracy(run: Run | None) -> Cell:
    if run is None:
        return Cell("–")
    return Cell("stopped" if run["accuracy"] is None else f"{100 * run['accuracy']:.1f}")


def _range(runs: Sequence[Run]) -> str:
    """Return the strengths around the best one, without a gap, that are near it."""
    runs = sorted(runs, key=lambda run: float(run["strength"]))
    accuracies = [run["accuracy"] or 0.0 for run in runs]
    if not accuracies:
        return "–"
    best = max(range(len(runs)), key=accuracies.__getitem__)
    first = last = best
    enough = accuracies[best] - TOLERANCE
    while first > 0 and accuracies[first - 1] >= enough:
        first -= 1
    while last + 1 < len(runs) and accuracies[last + 1] >= enough:
        last += 1
    return f"{runs[first]['strength']:g} to {runs[last]['strength']:g}"


def _clipped(runs: Sequence[Run]) -> str:
    """Return the smallest and the largest share of clipped steps among the runs, in percent."""
    shares = [sum(run["clipped"]) / len(run["clipped"]) for run in runs if run.get("clipped")]
    return f"{100 * min(shares):.0f} to {100 * max(shares):.0f}" if shares else "–"
