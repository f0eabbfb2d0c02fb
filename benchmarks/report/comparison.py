"""The page of a comparison: methods side by side on one sequence of tasks."""

from __future__ import annotations

from benchmarks.report.figures import figures
from benchmarks.report.groups import Group
from benchmarks.report.page import Page, csv_text, pairs, with_deviations
from benchmarks.report.summary import Stat, Summary, summarise
from benchmarks.report.tables import tables


def page(groups: list[Group]) -> Page:
    """The page of one group: accuracies and costs of its methods."""
    (group,) = groups
    summaries = summarise(group)
    return Page(
        name=group.name,
        tables=tables(group, summaries),
        headline=1,
        as_csv=lambda: as_csv(group, summaries),
        figures=lambda: figures(group, summaries),
    )


def as_csv(group: Group, summaries: list[Summary]) -> str:
    """All numbers of a group, unrounded, a row a method; accuracies and forgetting as fractions."""
    names = ["average_accuracy", "average_forgetting", "learning_accuracy"]
    names += [f"accuracy_at_end:{task}" for task in group.tasks]
    names += [f"forgetting:{task}" for task in group.tasks[:-1]]
    names += ["training_seconds", "importance_seconds", "peak_memory_mb", "stored_mb"]
    rows = []
    for s in summaries:
        drops: list[Stat] | list[None] = s.drops or [None] * (len(group.tasks) - 1)
        stats = [s.accuracy, s.forgetting, s.learned, *s.at_end, *drops, *s.costs]
        rows.append([s.method, " ".join(map(str, s.seeds)), s.strength, *pairs(stats)])
    return csv_text(["method", "seeds", "strength", *with_deviations(names)], rows)
