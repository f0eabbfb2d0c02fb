"""The provenance of the numbers: configuration, versions, data and costs of every run."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.experiments.sequences import task_title
from benchmarks.record.schema import Decision
from benchmarks.report.numbers.notes import about_peak_memory
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.page import Page
from benchmarks.report.pages.columns import COSTS, METHOD
from benchmarks.report.tables import NOTHING, Column, Table, table_of

ELSEWHERE = {"method", "seed", "strength", "strength_from", "samples", "tasks", "stand_ins"}
"""The fields of `config.json` that have their own columns."""

NOT_RECORDED = "not recorded"


def provenance(page: Page) -> list[Table]:
    """Return tables on the runs of a page: configuration, versions, data, each run, decisions."""
    name, runs = page.name, page.runs
    sets = Counter(json.dumps(run.versions) for run in runs)
    fields = dict.fromkeys(field for run in runs for field in run.config if field not in ELSEWHERE)
    differing = [field for field in fields if _differs(field, runs)]
    return [
        _configuration(name, runs[0], [field for field in fields if field not in differing]),
        _versions(name, sets),
        _data(name, runs),
        _runs(name, runs, differing, list(sets)),
        *_decisions(name, runs),
    ]


def plain(value: Any) -> str:
    """Write a value of a JSON file in words."""
    if value is None or value == [] or value == {}:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {plain(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _differs(field: str, runs: Sequence[FinishedRun]) -> bool:
    return len({json.dumps(run.config.get(field)) for run in runs}) > 1


def _configuration(name: str, run: FinishedRun, fields: Sequence[str]) -> Table:
    columns: list[Column[str]] = [
        Column("Field", str),
        Column("Value", lambda field: plain(run.config.get(field))),
    ]
    notes = ["As in config.json. What differs between runs is in the table of runs."]
    return table_of(f"{name}-configuration", "Configuration of all runs", columns, fields, notes)


def _versions(name: str, sets: Counter[str]) -> Table:
    """Return a column for each set of versions, which is given in JSON with its number of runs."""
    each = {text: json.loads(text) for text in sets}
    columns: list[Column[str]] = [Column("Field", str)]
    for number, (text, runs) in enumerate(sets.items(), 1):
        title = f"Set {number} ({runs} run{'' if runs == 1 else 's'})"
        columns.append(Column(title, partial(_version, each[text])))
    fields = dict.fromkeys(field for one in each.values() for field in one)
    notes = ["As in versions.json. The table of runs says which run has which set."]
    if not fields:
        notes = [f"{NOT_RECORDED.capitalize()}."]
    return table_of(f"{name}-versions", "Versions and machine", columns, fields, notes, narrow=2)


def _version(versions: dict[str, Any], field: str) -> str:
    unknown = field == "code" and versions.get(field, "") is None
    return NOT_RECORDED if unknown else plain(versions.get(field))


_ABOUT_DATA = (
    *("Task", "Pictures", "Classes", "Train", "Valid", "Test", "Split"),
    *("Compared with the complete data set", "Left out"),
)


def _data(name: str, runs: Sequence[FinishedRun]) -> Table:
    """Return a row for every distinct description of the data of a task."""
    counts = Counter(row for run in runs for row in _data_rows(run))
    columns: list[Column[Any]] = [
        *(Column(title, itemgetter(k)) for k, title in enumerate(_ABOUT_DATA)),
        Column("Runs", lambda row: counts[row]),
    ]
    notes = [
        "Images per task for training, validation and test. Split: how they were divided, with"
        " a digest of the result. † marks a stand-in for the data set of that name."
    ]
    return table_of(f"{name}-data", "Data", columns, counts, notes, narrow=6)


def _data_rows(run: FinishedRun) -> Iterable[tuple[str, ...]]:
    """Yield the cells on each task; older runs lack some of them."""
    tasks = run.config["tasks"]
    samples = run.config.get("samples") or {}
    facts: Any = run.result.get("data") or [dict.fromkeys(_FACTS, NOT_RECORDED)] * len(tasks)
    for task, count, fact in zip(tasks, run.result["classes"], facts, strict=True):
        drawn, stands_in = run.config["source"] == "drawn", task in run.stand_ins
        sizes = samples.get(task, ())
        yield (
            task_title(task) + ("†" if drawn or stands_in else ""),
            "drawn by code" if drawn else "a stand-in" if stands_in else run.config["source"],
            plain(count),
            *map(plain, sizes if len(sizes) == 3 else [NOT_RECORDED] * 3),
            *(plain(fact.get(key)) for key in _FACTS),
        )


_FACTS = ("split", "agreement", "left_out")


def _runs(
    name: str, runs: Sequence[FinishedRun], differing: Sequence[str], sets: list[str]
) -> Table:
    root = os.path.commonpath([run.folder.parent.resolve() for run in runs])
    tasks: Column[FinishedRun] = Column(
        "Tasks", lambda run: " → ".join(map(task_title, run.config["tasks"]))
    )
    versions: Column[FinishedRun] = Column(
        "Versions", lambda run: f"set {1 + sets.index(json.dumps(run.versions))}"
    )
    columns: list[Column[FinishedRun]] = [
        METHOD,
        Column("Seed", lambda run: run.seed),
        _field("λ", "strength"),
        _field("λ from", "strength_from"),
        *[tasks] * _differs("tasks", runs),
        *(_field(field, field) for field in differing),
        *[versions] * (len(sets) > 1),
        *COSTS[:2],
        Column("Evaluation, s", lambda run: f"{run.costs.evaluation_seconds:.1f}"),
        Column("Total, s", lambda run: f"{run.costs.total_seconds:.1f}"),
        *COSTS[2:],
        Column("Finished", lambda run: run.result["finished"]),
        Column("Folder", lambda run: Path(os.path.relpath(run.folder.resolve(), root)).as_posix()),
    ]
    notes = [
        "Seconds are over all tasks. Folders are relative to their common parent.",
        *about_peak_memory(runs),
    ]
    return table_of(f"{name}-runs", "Runs", columns, runs, notes, narrow=4)


def _field(title: str, field: str) -> Column[FinishedRun]:
    return Column(title, lambda run: plain(run.config.get(field)))


class _Chosen(NamedTuple):
    """A run's choice for a task."""

    run: FinishedRun
    decision: Decision

    @property
    def method(self) -> str:
        return self.run.method


_DECISIONS: list[Column[_Chosen]] = [
    METHOD,
    Column("Seed", lambda one: one.run.seed),
    Column("Task", lambda one: " ".join(map(task_title, one.decision["tasks"]))),
    Column("Learning rate", lambda one: plain(one.decision["learning_rate"])),
    Column("λ", lambda one: _strength(one.decision)),
    Column("Reached", lambda one: plain(one.decision.get("reached"))),
    Column("Trials", lambda one: len(one.decision["trials"])),
]


def _decisions(name: str, runs: Sequence[FinishedRun]) -> list[Table]:
    """Return the table of what runs chose for each task by trials, if any did."""
    rows = [_Chosen(run, one) for run in runs for one in run.result.get("decisions", ())]
    if not rows:
        return []
    title = "What was chosen for each task"
    notes = [
        "Chosen on the new task's validation data. Reached: whether the method reached the"
        " required share of fine-tuning's accuracy. First: it did so with the first and highest λ"
        " tried. All trials are in result.json."
    ]
    return [table_of(f"{name}-decisions", title, _DECISIONS, rows, notes, narrow=3)]


def _strength(decision: Mapping[str, Any]) -> str:
    """Write the strength, and whether the first one tried was enough."""
    tried = [one for one in decision["trials"] if one.get("strength") is not None]
    first = " (first)" * (len(tried) == 1 and bool(decision.get("reached")))
    return plain(decision["strength"]) + first
