"""Accuracy over the strength of MAS: the penalty damped or explicit, with clipping and without."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from operator import methodcaller
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from avalanche_mas.figure_style import PALE
from benchmarks.methods import Look
from benchmarks.record.tuned import near_best
from benchmarks.report.figures.drawing import line_of
from benchmarks.report.tables import Column, Table, table_of

STRENGTHS = (0.1, 1.0)
"""The strengths whose clipped steps are shown task by task."""

Run = Mapping[str, Any]


class Form(NamedTuple):
    """A way to train: how the penalty is applied, and the largest 2-norm of the gradient."""

    penalty: str
    clip: float | None
    look: Look

    @property
    def title(self) -> str:
        """Its name in print."""
        return f"{self.penalty}, {'not clipped' if self.clip is None else 'clipped'}"

    def among(self, runs: Iterable[Run]) -> list[Run]:
        """Return the runs of this form, by ascending strength."""
        own = [r for r in runs if (r["penalty"], r["gradient_clip"]) == (self.penalty, self.clip)]
        return sorted(own, key=lambda run: float(run["strength"]))


FORMS = (
    Form("damped", 5.0, Look("#d55e00", "o")),
    Form("damped", None, Look("#d55e00", "s", dashed=True)),
    Form("explicit", 5.0, Look("#0072b2", "o")),
    Form("explicit", None, Look("#0072b2", "s", dashed=True)),
)


def table(found: Mapping[str, Any]) -> Table:
    """Return the accuracies by strength and form, and the range of strengths that are near the best.

    Args:
        found: What `benchmarks.commands.stability` recorded.
    """
    runs: list[Run] = found["runs"]
    of = {form.title: form.among(runs) for form in FORMS}
    rows: list[Mapping[str, str | None]] = [
        {"λ": f"{strength:g}"}
        | {
            title: _accuracy(run)
            for title, own in of.items()
            for run in own
            if run["strength"] == strength
        }
        for strength in sorted({run["strength"] for run in runs})
    ]
    rows.append({"λ": "within 5 points of the best"} | {t: _range(own) for t, own in of.items()})
    rows.append({"λ": "steps clipped, % (all tasks)"} | {t: _clipped(own) for t, own in of.items()})
    first = runs[0]
    return table_of(
        "stability",
        f"Mean accuracy of MAS after the sequence, %, by λ ({len(first['tasks'])} tasks, {first['model']})",
        _columns("λ", of),
        rows,
        [
            f"One run each, seed {first['seed']}, validation data, learning rate "
            f"{first['learning_rate']:g}. Clipping is to a 2-norm of 5: of the whole gradient with an "
            "explicit penalty, of the task's own with a damped one. Stopped: the loss or a gradient was "
            "not finite. Within 5 points: the unbroken range around the best.",
        ],
    )


def clipped_table(found: Mapping[str, Any]) -> Table:
    """Return the shares of clipped steps, task by task."""
    shares = {
        f"{run['penalty']}, λ = {run['strength']:g}": run["clipped"]
        for form in FORMS
        for run in form.among(found["runs"])
        if run.get("clipped") and run["strength"] in STRENGTHS
    }
    tasks = found["runs"][0]["tasks"]
    rows: list[Mapping[str, str | None]] = [
        {"task": f"{k + 1} {task}"}
        | {title: f"{100 * own[k]:.0f}" for title, own in shares.items()}
        for k, task in enumerate(tasks)
    ]
    return table_of(
        *("clipped", "Steps whose gradient is clipped, %", _columns("task", shares), rows),
        ["The first task has no penalty, so that the columns begin alike."],
    )


def figure(found: Mapping[str, Any]) -> Figure:
    """Draw the accuracies over the strength, a line per form; runs that stopped are at 0."""
    drawn = Figure(figsize=(5.2, 2.9), layout="constrained")
    panel = drawn.subplots()
    panel.grid(axis="y", color=PALE, linewidth=0.5)
    panel.axvline(1, color=PALE, linewidth=1.0)
    for form in FORMS:
        runs = form.among(found["runs"])
        y = [100 * (run["accuracy"] or 0.0) for run in runs]
        panel.plot([run["strength"] for run in runs], y, label=form.title, **line_of(form.look))
    panel.set_xscale("log")
    panel.set_xlabel("λ (1 in the paper)")
    panel.set_ylabel("mean accuracy at the end, %")
    panel.set_ylim(bottom=-2)
    drawn.legend(loc="outside right upper")
    return drawn


def _columns(first: str, others: Iterable[str]) -> list[Column[Any]]:
    return [Column(title, methodcaller("get", title)) for title in (first, *others)]


def _accuracy(run: Run) -> str:
    return "stopped" if run["accuracy"] is None else f"{100 * run['accuracy']:.1f}"


def _range(runs: Sequence[Run]) -> str | None:
    """Return the strengths around the best one, without a gap, that are near it."""
    accuracies = [run["accuracy"] or 0.0 for run in runs]
    if not accuracies:
        return None
    near = near_best(accuracies)
    return f"{runs[near[0]]['strength']:g} to {runs[near[-1]]['strength']:g}"


def _clipped(runs: Sequence[Run]) -> str | None:
    """Return the smallest and the largest share of clipped steps among the runs, in percent."""
    shares = [statistics.fmean(run["clipped"]) for run in runs if run.get("clipped")]
    return f"{100 * min(shares):.0f} to {100 * max(shares):.0f}" if shares else None
