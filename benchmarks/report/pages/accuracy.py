"""The tables of one group: its accuracies, for two tasks in the paper's format, and its costs."""

from __future__ import annotations

from typing import Any

from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.summary import (
    Summary,
    about_data,
    about_peak_memory,
    notes,
)
from benchmarks.report.pages.headings import setting
from benchmarks.report.tables import (
    HEADLINE,
    METHOD,
    Column,
    Table,
    percent,
    short,
    signed,
    table_of,
)

STRENGTH: Column[Any] = Column("λ", lambda row: row.strength, "{:g}".format)


def tables(group: Group, summaries: list[Summary]) -> list[Table]:
    """The tables of a group: accuracies and costs."""
    two = len(group.tasks) == 2
    accuracies = _two_tasks(group, summaries) if two else _sequence(group, summaries)
    return [accuracies, _costs(group, summaries)]


def _sequence(group: Group, summaries: list[Summary]) -> Table:
    explained = (
        "Mean accuracy: over tasks, at the end. Forgetting: mean drop from when a task was learned."
        " Learned: mean accuracy when just learned. Then the accuracy on each task at the end, %."
        " Bold: the best method that learns task after task."
    )
    return table_of(
        f"{group.name}-accuracy",
        f"Accuracy after the sequence {setting(group)}",
        [METHOD, *HEADLINE, *(_task(place, label) for place, label in enumerate(group.labels))],
        summaries,
        [explained, *notes(group, summaries)],
        narrow=4,
    )


def _task(place: int, label: str) -> Column[Summary]:
    """The accuracy on one task at the end."""
    return Column(label, lambda summary: summary.at_end[place], short, max)


def _two_tasks(group: Group, summaries: list[Summary]) -> Table:
    first, second = group.labels
    explained = (
        f"{first}: accuracy at the end, and in brackets its change since it was learned, in points."
        " Bold: the best method that learns task after task."
    )
    return table_of(
        f"{group.name}-accuracy",
        f"Accuracy after two tasks, {setting(group)}",
        [
            METHOD,
            Column(
                f"{first}, % (change)", lambda s: s, first_task, max, judged=lambda s: s.at_end[0]
            ),
            Column(f"{second}, %", lambda s: s.at_end[1], percent, max),
            HEADLINE[0],
        ],
        summaries,
        [explained, *notes(group, summaries)],
    )


def first_task(summary: Summary) -> str:
    """The accuracy on the first of two tasks at the end, and its change since it was learned."""
    change = f" ({signed(-summary.drops[0].mean)})" if summary.drops else ""
    return percent(summary.at_end[0]) + change


def _costs(group: Group, summaries: list[Summary]) -> Table:
    return table_of(
        f"{group.name}-cost",
        f"Cost of the sequence {setting(group)}",
        [
            METHOD,
            STRENGTH,
            Column("Training, s", lambda s: s.costs.training_seconds, "{:.1f}".format),
            Column("Importance, s", lambda s: s.costs.importance_seconds, "{:.2f}".format),
            Column("Peak memory, MB", lambda s: s.costs.peak_memory_mb, "{:.0f}".format),
            Column("Stored, MB", lambda s: s.costs.stored_mb, "{:.2f}".format),
        ],
        summaries,
        [
            "Medians over the runs. Seconds over the whole sequence: training, and the method's own"
            " work at the ends of tasks. Peak memory is the whole process's; stored are the tensors"
            " that the method keeps from task to task (MB: 10⁶ bytes). λ is the method's strength.",
            *about_peak_memory(group.everything),
            *about_data([group]),
        ],
    )
