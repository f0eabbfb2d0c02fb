"""The tables of one group: its accuracies, for two tasks in the paper's format, and its costs."""

from __future__ import annotations

from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.notes import about_data, about_peak_memory, notes
from benchmarks.report.numbers.summary import Summary
from benchmarks.report.pages.columns import COSTS, HEADLINE, METHOD, STRENGTH, at_end
from benchmarks.report.pages.headings import setting
from benchmarks.report.tables import Column, Table, percent, short, signed, table_of


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
        [
            METHOD,
            *HEADLINE,
            *(at_end(k, label, text=short) for k, label in enumerate(group.labels)),
        ],
        summaries,
        [explained, *notes(group, summaries)],
        narrow=4,
    )


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
            at_end(1, f"{second}, %"),
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
        [METHOD, STRENGTH, *COSTS],
        summaries,
        [
            "Medians over the runs. Seconds over the whole sequence: training, and the method's own"
            " work at the ends of tasks. Peak memory is the whole process's; stored are the tensors"
            " that the method keeps from task to task (MB: 10⁶ bytes). λ is the method's strength.",
            *about_peak_memory(group.everything),
            *about_data([group]),
        ],
    )
