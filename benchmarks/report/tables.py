"""Tables as data: what stands in which cell, before any format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.report.figures.style import UPPER_BOUND, title, written
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.summary import (
    Stat,
    Summary,
    about_data,
    about_peak_memory,
    notes,
    printed,
)

NOTHING = "–"


class Cell(NamedTuple):
    """A cell's text, and whether it is the best of its column."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: short name, used for files and labels.
        title: what it shows, and the setting.
        header: the columns' names; the first column names the rows.
        rows: the cells.
        notes: sentences that belong under the table.
        narrow: columns of the first part where it has to be cut in two to fit.
    """

    name: str
    title: str
    header: list[str]
    rows: list[list[Cell]]
    notes: list[str]
    narrow: int


def tables(group: Group, summaries: list[Summary]) -> list[Table]:
    """The tables of a group: accuracies, for two tasks in the paper's format, and costs."""
    two = len(group.tasks) == 2
    accuracies = _two_tasks(group, summaries) if two else _sequence(group, summaries)
    return [accuracies, _costs(group, summaries)]


def setting(group: Group) -> str:
    """Tasks, data and budget in one sentence."""
    return f"{' → '.join(group.labels)} ({budget([group])})"


def heading(groups: Sequence[Group]) -> str:
    """The experiment in words, with its tasks where the groups have one sequence of them."""
    config = groups[0].config
    sequences = {tuple(group.tasks) for group in groups}
    experiment = str(config["experiment"]).replace("-", " ").capitalize()
    if config["experiment"] == "eight-tasks" and len(groups[0].tasks) != 8:
        experiment = f"{len(groups[0].tasks)} tasks"
    tasks = f": {' → '.join(groups[0].labels)}" if len(sequences) == 1 else ""
    chosen = f", λ chosen by the {config['choose']}" if config.get("choose") else ""
    return f"{experiment}{tasks} ({_images(groups)}{chosen})"


def budget(groups: Sequence[Group]) -> str:
    """Network, data and budget of groups that have them in common, in a list."""
    config = groups[0].config
    details = [
        f"{config['model']}" if "model" in config else "",
        f"{config['image_size']} px" if "image_size" in config else "",
        _epochs(config),
        f"batch {config['batch_size']}" if "batch_size" in config else "",
        _learning_rate(config),
        _images(groups),
    ]
    return ", ".join(filter(None, details))


def _images(groups: Sequence[Group]) -> str:
    """What the images are, by the marks of the tasks."""
    source = str(groups[0].config["source"])
    marked = {label.endswith("†") for group in groups for label in group.labels}
    return " and ".join("† stand-ins" if mark else f"{source} images" for mark in sorted(marked))


def _sequence(group: Group, summaries: list[Summary]) -> Table:
    header = ["Method", "Mean accuracy, %", "Forgetting, points", "Learned, %"]
    methods = [s.method for s in summaries]
    columns = [
        column([s.accuracy for s in summaries], methods, max, percent),
        column([s.forgetting for s in summaries], methods, min, percent),
        column([s.learned for s in summaries], methods, max, percent),
    ]
    for j, label in enumerate(group.labels):
        header.append(label)
        columns.append(column([s.at_end[j] for s in summaries], methods, max, short))
    explained = [
        "Mean accuracy: over tasks, at the end. Forgetting: mean drop from when a task was learned."
        " Learned: mean accuracy when just learned. Then the accuracy on each task at the end, %."
        " Bold: the best method that learns task after task."
    ]
    return Table(
        name=f"{group.name}-accuracy",
        title=f"Accuracy after the sequence {setting(group)}",
        header=header,
        rows=rows_of(methods, columns),
        notes=explained + notes(group, summaries),
        narrow=4,
    )


def _two_tasks(group: Group, summaries: list[Summary]) -> Table:
    first, second = group.labels
    methods = [s.method for s in summaries]
    at_end = [column([s.at_end[j] for s in summaries], methods, max, percent) for j in (0, 1)]
    drops = [None if s.drops is None else s.drops[0] for s in summaries]
    columns = [
        [
            cell if drop is None else cell._replace(text=f"{cell.text} ({signed(-drop.mean)})")
            for cell, drop in zip(at_end[0], drops, strict=True)
        ],
        at_end[1],
        column([s.accuracy for s in summaries], methods, max, percent),
    ]
    explained = [
        f"{first}: accuracy at the end, and in brackets its change since it was learned, in points."
        " Bold: the best method that learns task after task."
    ]
    return Table(
        name=f"{group.name}-accuracy",
        title=f"Accuracy after two tasks, {setting(group)}",
        header=["Method", f"{first}, % (change)", f"{second}, %", "Mean accuracy, %"],
        rows=rows_of([s.method for s in summaries], columns),
        notes=explained + notes(group, summaries),
        narrow=4,
    )


def _costs(group: Group, summaries: list[Summary]) -> Table:
    header = ["Method", "λ", "Training, s", "Importance, s", "Peak memory, MB", "Stored, MB"]
    columns = [[Cell(NOTHING if s.strength is None else f"{s.strength:g}") for s in summaries]]
    for k, digits in enumerate((1, 2, 0, 2)):
        costs = [s.costs[k] for s in summaries]
        columns.append([Cell(NOTHING if c is None else f"{c:.{digits}f}") for c in costs])
    return Table(
        name=f"{group.name}-cost",
        title=f"Cost of the sequence {setting(group)}",
        header=header,
        rows=rows_of([s.method for s in summaries], columns),
        notes=[
            "Medians over the runs. Seconds over the whole sequence: training, and the method's own"
            " work at the ends of tasks. Peak memory is the whole process's; stored are the tensors"
            " that the method keeps from task to task (MB: 10⁶ bytes). λ is the method's strength.",
            *about_peak_memory(group.everything),
            *about_data([group]),
        ],
        narrow=len(header),
    )


def rows_of(methods: Sequence[str], columns: Sequence[Sequence[Cell]]) -> list[list[Cell]]:
    """The columns as rows, each beginning with its method."""
    names = [Cell(title(method)) for method in methods]
    return [list(row) for row in zip(names, *columns, strict=True)]


def column(
    stats: Sequence[Stat | None],
    methods: Sequence[str],
    best_of: Callable[[list[float]], float],
    text: Callable[[Stat], str],
) -> list[Cell]:
    """The cells of a column; the best continual methods, as rounded in print, are marked."""
    competing = [
        printed(stat)
        for stat, method in zip(stats, methods, strict=True)
        if stat is not None and method != UPPER_BOUND
    ]
    best = best_of(competing) if len(competing) > 1 else None
    return [
        Cell(NOTHING)
        if stat is None
        else Cell(text(stat), printed(stat) == best and method != UPPER_BOUND)
        for stat, method in zip(stats, methods, strict=True)
    ]


def _learning_rate(config: dict[str, Any]) -> str:
    if "learning_rate" not in config:
        return ""
    rate = f"{config['learning_rate']:g}"
    if config.get("choose"):
        return f"learning rate up to {rate}, as λ chosen for each task by the {config['choose']}"
    return f"learning rate {rate}"


def _epochs(config: dict[str, Any]) -> str:
    if "epochs" not in config:
        return ""
    count, first = config["epochs"], config.get("first_epochs")
    text = f"{count} epoch{'' if count == 1 else 's'} a task"
    return text if first in (None, count) else f"{text} ({first} on the first)"


def percent(stat: Stat) -> str:
    """A fraction in percent, or a difference of fractions in points, with its deviation."""
    return number(Stat(100 * stat.mean, None if stat.deviation is None else 100 * stat.deviation))


def short(stat: Stat) -> str:
    """A fraction in percent, without its deviation."""
    return number(Stat(100 * stat.mean, None))


def signed(fraction: float) -> str:
    """A difference of fractions in points, with its sign."""
    return written(100 * fraction, "+.1f")


def number(stat: Stat, digits: int = 1) -> str:
    """A number with its deviation, if it has one."""
    text = written(stat.mean, f".{digits}f")
    return text if stat.deviation is None else f"{text} ± {stat.deviation:.{digits}f}"
