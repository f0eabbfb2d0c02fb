"""Tables of numbers that others published, for comparison."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.experiments.sequences import task_title
from benchmarks.record.files import read_json
from benchmarks.report.names import title
from benchmarks.report.numbers.groups import Group
from benchmarks.report.tables import Column, Table, signed, table_of

PUBLISHED = Path(__file__).parent / "published.json"
"""The published numbers and their setting, by experiment."""


def _published(group: Group) -> dict[str, Any] | None:
    found: dict[str, Any] | None = read_json(PUBLISHED).get(group.config["experiment"])
    return found


def _table(
    group: Group,
    published: dict[str, Any],
    columns: Sequence[Column[dict[str, Any]]],
    note: str,
) -> Table:
    source, setting = published["source"], published["setting"]
    return table_of(
        f"{group.name}-published",
        f"As published, not measured here: {source} ({setting})",
        columns,
        published["rows"],
        [note],
        narrow=4,
    )


def two_tasks_as_published(group: Group) -> list[Table]:
    """Return the rows of the paper's Table 3 on MAS and l-MAS."""
    published = _published(group)
    if published is None:
        return []
    sequences = enumerate(" → ".join(map(task_title, tasks)) for tasks in published["sequences"])
    columns = [
        Column("The paper's", lambda row: title(row["method"])),
        Column("Ω on", lambda row: row["importance_on"]),
        *(Column(f"{tasks}, %", _percent(k), _two_tasks) for k, tasks in sequences),
    ]
    note = (
        "The paper used another network, the complete data sets, larger images and longer training,"
        " so single numbers are not comparable; the changes show what the paper found."
    )
    return [_table(group, published, columns, note)]


def _two_tasks(percent: tuple[float, float, float]) -> str:
    first, change, second = percent
    return f"{first:.2f} ({signed(change / 100)}) / {second:.2f}"


def digits_as_published(group: Group) -> list[Table]:
    """Return the values published with the authors' demo, if the group has its tasks and real data."""
    published = _published(group)
    if published is None or group.config["source"] == "drawn":
        return []
    if group.tasks != published.get("tasks") or group.config.get("scenario"):
        return []
    tasks = enumerate(map(task_title, group.tasks))
    columns = [
        Column("The demo's", lambda row: row["name"]),
        Column("Mean accuracy, %", lambda row: statistics.fmean(row["percent"]), "{:.2f}".format),
        Column("Forgetting, points", lambda row: row["forgetting"], "{:.2f}".format),
        *(Column(task, _percent(k), "{:.2f}".format) for k, task in tasks),
    ]
    note = (
        "The demo took the best epoch of each task on the test images, and measured Ω from"
        " the gradients of whole batches; neither is done here."
    )
    return [_table(group, published, columns, note)]


def _percent(place: int) -> Callable[[dict[str, Any]], Any]:
    return lambda row: row["percent"][place]
