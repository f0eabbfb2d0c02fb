"""Numbers that others published: in rows beside the measured ones, and in tables of their own."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.experiments.sequences import task_title
from benchmarks.record.files import read_json
from benchmarks.report.names import title
from benchmarks.report.numbers.groups import Group, runs_of
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.tables import NOTHING, Cell, Column, Table, signed, table_of

PUBLISHED = Path(__file__).parent / "published.json"
"""The published numbers and their setting."""

DATA = {"two-tasks": ("train",), "importance-data": ("train", "test", "train+test")}
"""The rows of the paper's Table 3 that an experiment repeats, by the data that Ω is measured on."""

Pair: TypeAlias = tuple[float, float, float]
"""Accuracy on the first task at the end, its change, and accuracy on the second, in percent."""

Key: TypeAlias = tuple[tuple[str, ...], str, str]
"""Tasks, method, and the data that Ω is measured on."""


def _published(name: str) -> dict[str, Any]:
    found: dict[str, Any] = read_json(PUBLISHED)[name]
    return found


def on_pairs(groups: Sequence[Group], *, measured: bool) -> dict[Key, Pair]:
    """Return what was published of the rows of these experiments, and was measured here or was not.

    There is nothing for images drawn by code.
    """
    config, table = groups[0].config, _published("table-3")
    data = DATA.get(config["experiment"], ()) if config["source"] == "real" else ()
    there = {key_of(group, method) for group in groups for method in group.runs}
    every = {
        (tuple(tasks), row["method"], row["importance_on"]): tuple(pair)
        for row in table["rows"]
        for tasks, pair in zip(table["sequences"], row["percent"], strict=True)
        if row["importance_on"] in data
    }
    return {key: pair for key, pair in every.items() if (key in there) == measured}


def key_of(group: Group, method: str) -> Key:
    """Return what a published pair of accuracies has in common with a group's."""
    return tuple(group.tasks), method, group.config.get("importance_on") or "train"


def first_task(pair: Pair) -> str:
    """Write the published accuracy on the first task, and its change."""
    return f"{pair[0]:.2f} ({signed(pair[1] / 100)})"


def both_tasks(pair: Pair | None) -> str | None:
    """Write the published accuracies on both tasks, and the change of the first."""
    return pair and f"{first_task(pair)} / {pair[2]:.2f}"


def beside(table: Table, rows: Sequence[Sequence[str | None]], groups: Sequence[Group]) -> Table:
    """Return the table with published rows, each below its own row, and a note on what differs.

    The cells of a published row are those after the first; a row without any is none.
    """
    if not any(map(any, rows)):
        return table
    together = list[list[Cell]]()
    for row, published in zip(table.rows, rows, strict=True):
        together.append(row)
        if any(published):
            cells = (f"{row[0].text}, as published", *(text or NOTHING for text in published))
            together.append(list(map(Cell, cells)))
    return replace(table, rows=together, notes=[*table.notes, *_what_differs(groups)])


_TRAINING = {
    "model": "{} instead of {}",
    "optimizer": "{} instead of {}",
    "image_size": "{} instead of {} px",
    "epochs": "{} instead of {} epochs per task",
    "batch_size": "batch {} instead of {}",
    "learning_rate": "learning rate {} instead of {}",
    "schedule": "schedule {} instead of {}",
    "penalty": "{} instead of {} penalty",
    "gradient_clip": "gradients clipped at {} instead of {}",
}
"""Fields of `config.json`, and how a difference from the published value is said."""


def _what_differs(groups: Sequence[Group]) -> list[str]:
    """Say where the published numbers are from, and in what the runs beside them differ."""
    published, table = on_pairs(groups, measured=True), _published("table-3")
    shown = [g for g in groups if any(key_of(g, method) in published for method in g.runs)]
    found = [*_training(shown, table["training"]), *_data(shown)]
    differs = f"Here: {'; '.join(dict.fromkeys(found))}." if found else "Here: the same."
    return [f"As published: {table['source']} ({table['setting']}; {table['code']}). {differs}"]


def _training(groups: Sequence[Group], published: dict[str, Any]) -> Iterator[str]:
    config = groups[0].config
    if not config.get("weights"):
        yield "random instead of pretrained weights"
    for field, words in _TRAINING.items():
        own, other = _word(config.get(field)), _word(published[field])
        if own.casefold() != other.casefold():
            yield words.format(own, other)
    runs = runs_of(groups)
    for method in ("mas", "l-mas"):
        strengths = {_word(run.config.get("strength")) for run in runs if run.method == method}
        for own in sorted(strengths - {_word(published["strength"])}):
            yield f"λ of {title(method)} {own} instead of {_word(published['strength'])}"


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value).partition(",")[0]


def _data(groups: Sequence[Group]) -> Iterator[str]:
    """Say which data sets are not what was published, and their sizes."""
    for run in (group.everything[0] for group in groups):
        for place, task in enumerate(run.config["tasks"]):
            if text := _data_of(run, place, task):
                yield f"{task_title(task)}: {text}"


def _data_of(run: FinishedRun, place: int, task: str) -> str:
    if task in run.stand_ins:
        return "a stand-in"
    if "data" not in run.result:
        return "sizes not recorded"
    agreement = run.result["data"][place]["agreement"]
    if agreement == "as published":
        return ""
    sizes = run.config.get("samples", {}).get(task, ())
    parts = zip(sizes, ("train", "validation", "test"), strict=False)
    count = f"{run.result['classes'][place]} classes"
    return f"{', '.join((count, *(f'{n} {part}' for n, part in parts)))} ({agreement})"


def not_measured(groups: Sequence[Group]) -> list[Table]:
    """Return the table of the paper's rows that are in no table beside measured ones, if any."""
    pairs, published = on_pairs(groups, measured=False), _published("table-3")
    if not pairs:
        return []
    columns: list[Column[tuple[str, str]]] = [
        Column("The paper's", lambda row: title(row[0])),
        Column("Ω on", lambda row: row[1]),
        *(_on(t, pairs) for t in map(tuple, published["sequences"]) if t in {k[0] for k in pairs}),
    ]
    heading = f"As published, not measured here: {published['source']} ({published['setting']})"
    rows = dict.fromkeys((method, data) for _, method, data in pairs)
    return [table_of(f"{groups[0].name}-published", heading, columns, rows, narrow=4)]


def _on(tasks: tuple[str, ...], pairs: dict[Key, Pair]) -> Column[tuple[str, str]]:
    name = " → ".join(map(task_title, tasks))
    return Column(f"{name}, %", lambda row: both_tasks(pairs.get((tasks, *row))))


def digits_as_published(group: Group) -> list[Table]:
    """Return the values published with the authors' demo, if the group has its tasks and real data."""
    published = _published("split-mnist")
    if group.config["experiment"] != "split-mnist" or group.config["source"] == "drawn":
        return []
    if group.tasks != published["tasks"] or group.config.get("scenario"):
        return []
    tasks = enumerate(map(task_title, group.tasks))
    columns: list[Column[dict[str, Any]]] = [
        Column("The demo's", lambda row: row["name"]),
        Column("Mean accuracy, %", lambda row: statistics.fmean(row["percent"]), "{:.2f}".format),
        Column("Forgetting, points", lambda row: row["forgetting"], "{:.2f}".format),
        *(Column(task, _percent(k), "{:.2f}".format) for k, task in tasks),
    ]
    note = (
        "The demo took the best epoch of each task on the test images, and measured Ω from"
        " the gradients of whole batches; neither is done here."
    )
    heading = f"As published, not measured here: {published['source']} ({published['setting']})"
    rows = published["rows"]
    return [table_of(f"{group.name}-published", heading, columns, rows, [note], narrow=4)]


def _percent(place: int) -> Callable[[dict[str, Any]], Any]:
    return lambda row: row["percent"][place]
