"""Numbers that others published, as tables beside those measured here."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from benchmarks.report.figures.style import task_title, title
from benchmarks.report.numbers.groups import Group
from benchmarks.report.numbers.summary import Stat
from benchmarks.report.tables import Cell, Table, number, signed

PUBLISHED = Path(__file__).parent / "published.json"


def _published(experiment: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(PUBLISHED.read_text(encoding="utf-8"))[experiment]
    return content


def _title(published: dict[str, Any]) -> str:
    return f"As published, not measured here: {published['source']} ({published['setting']})"


def two_tasks_as_published(name: str) -> Table:
    """The rows of the paper's Table 3 on MAS and l-MAS."""
    published = _published("importance-data")
    sequences = [" → ".join(map(task_title, tasks)) for tasks in published["sequences"]]
    return Table(
        name=f"{name}-published",
        title=_title(published),
        header=["The paper's", "Ω on", *(f"{sequence}, %" for sequence in sequences)],
        rows=[
            [Cell(title(row["method"])), Cell(row["importance_on"])]
            + [Cell(_two_tasks_cell(*cell)) for cell in row["percent"]]
            for row in published["rows"]
        ],
        notes=[
            "Another network, the complete data sets, larger images and a longer training: the"
            " numbers are not to be compared one by one; the changes show what the paper found."
        ],
        narrow=4,
    )


def _two_tasks_cell(first: float, change: float, second: float) -> str:
    return f"{first:.2f} ({signed(change / 100)}) / {number(Stat(second, None), 2)}"


def digits_as_published(group: Group) -> list[Table]:
    """The values published with the authors' demo; nothing beside other tasks or drawn digits."""
    published = _published("split-mnist")
    config = group.config
    if config["experiment"] != "split-mnist" or config["source"] == "drawn":
        return []
    if group.tasks != published["tasks"]:
        return []
    return [
        Table(
            name=f"{group.name}-published",
            title=_title(published),
            header=[
                "The demo's",
                "Mean accuracy, %",
                "Forgetting, points",
                *map(task_title, group.tasks),
            ],
            rows=[
                [
                    Cell(row["name"]),
                    Cell(f"{statistics.fmean(row['percent']):.2f}"),
                    Cell(f"{row['forgetting']:.2f}"),
                    *(Cell(f"{accuracy:.2f}") for accuracy in row["percent"]),
                ]
                for row in published["rows"]
            ],
            notes=[
                "The demo took the best epoch of each task on the test images, and measured Ω from"
                " the gradients of whole batches; neither is done here."
            ],
            narrow=4,
        )
    ]
