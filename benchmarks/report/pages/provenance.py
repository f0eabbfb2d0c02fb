"""Where the numbers come from: configuration, versions, data and costs of every run, as tables."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report.names import task_title
from benchmarks.report.numbers.notes import about_peak_memory
from benchmarks.report.numbers.runs import FinishedRun
from benchmarks.report.page import Page
from benchmarks.report.pages.columns import COSTS, METHOD
from benchmarks.report.tables import NOTHING, Column, Table, table_of

ELSEWHERE = {"method", "seed", "strength", "strength_from", "samples", "tasks", "stand_ins"}
"""Fields of config.json that have columns of their own."""

NOT_RECORDED = "not recorded"


def provenance(page: Page) -> list[Table]:
    """Tables on the runs of a page: what they have in common, their versions, data, and each run."""
    runs = page.runs
    versions = _distinct(runs, lambda run: run.versions)
    tables = [
        _configuration(page.name, runs),
        _versions(page.name, versions),
        _data(page.name, runs),
        _runs(page.name, runs, versions),
    ]
    return tables + _decisions(page.name, runs)


def plain(value: Any) -> str:
    """A value of a JSON file in words."""
    if value is None or value == [] or value == {}:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {plain(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _fields(runs: Iterable[FinishedRun]) -> list[str]:
    """The fields of the configurations that have no column of their own, in their order."""
    return [field for run in runs for field in run.config if field not in ELSEWHERE]


def _same(field: str, runs: Sequence[FinishedRun]) -> bool:
    return len({json.dumps(run.config.get(field)) for run in runs}) == 1


def _configuration(name: str, runs: Sequence[FinishedRun]) -> Table:
    config = runs[0].config
    columns: list[Column[str]] = [
        Column("Field", str),
        Column("Value", lambda field: plain(config.get(field))),
    ]
    fields = dict.fromkeys(field for field in _fields(runs) if _same(field, runs))
    notes = ["As in config.json. What differs between runs is in the table of runs."]
    return table_of(f"{name}-configuration", "Configuration of all runs", columns, fields, notes)


def _distinct(
    runs: Sequence[FinishedRun], of: Callable[[FinishedRun], Any]
) -> dict[str, list[FinishedRun]]:
    """The runs by what is said of them, as JSON, in the order of the runs."""
    found: dict[str, list[FinishedRun]] = {}
    for run in runs:
        found.setdefault(json.dumps(of(run)), []).append(run)
    return found


def _versions(name: str, versions: dict[str, list[FinishedRun]]) -> Table:
    each = [(json.loads(text), len(same)) for text, same in versions.items()]
    columns: list[Column[str]] = [
        Column("Field", str),
        *(
            Column(f"Set {k + 1} ({_count(runs)})", partial(_version, one))
            for k, (one, runs) in enumerate(each)
        ),
    ]
    fields = dict.fromkeys(field for one, _ in each for field in one)
    notes = [
        "As in versions.json. The table of runs says which run has which set."
        if fields
        else f"{NOT_RECORDED.capitalize()}."
    ]
    return table_of(f"{name}-versions", "Versions and machine", columns, fields, notes, narrow=2)


def _version(versions: dict[str, Any], field: str) -> str:
    if field == "code" and field in versions and versions[field] is None:
        return NOT_RECORDED
    return plain(versions.get(field))


def _count(runs: int) -> str:
    return f"{runs} run{'' if runs == 1 else 's'}"


_ABOUT_DATA = (
    *("Task", "Pictures", "Classes", "Train", "Valid", "Test", "Split"),
    *("Beside the complete data set", "Left out"),
)


def _data(name: str, runs: Sequence[FinishedRun]) -> Table:
    """A row for every different thing that runs say of the data of a task."""
    counts = Counter(row for run in runs for row in _data_rows(run))
    columns: list[Column[tuple[str, ...]]] = [
        *(Column(title, _part(k)) for k, title in enumerate(_ABOUT_DATA)),
        Column("Runs", lambda row: counts[row]),
    ]
    notes = [
        "Images a task for training, validation and test. Split: how they were divided, with"
        " the digest of the result. † marks what only stands in for the data set of that name."
    ]
    return table_of(f"{name}-data", "Data", columns, counts, notes, narrow=6)


def _part(place: int) -> Callable[[tuple[str, ...]], str]:
    return lambda row: row[place]


def _data_rows(run: FinishedRun) -> Iterable[tuple[str, ...]]:
    tasks = run.config["tasks"]
    classes = _or_unknown(run.result.get("classes"), len(tasks))
    facts = _or_unknown(run.result.get("data"), len(tasks))
    samples = run.config.get("samples")
    for task, count, fact in zip(tasks, classes, facts, strict=True):
        sizes = samples.get(task) if isinstance(samples, dict) else None
        drawn, stands_in = run.config["source"] == "drawn", task in run.stand_ins
        yield (
            task_title(task) + ("†" if drawn or stands_in else ""),
            "drawn by code" if drawn else "a stand-in" if stands_in else run.config["source"],
            plain(count),
            *map(plain, _or_unknown(sizes, 3)),
            *(
                plain(fact.get(key)) if isinstance(fact, dict) else NOT_RECORDED
                for key in ("split", "agreement", "left_out")
            ),
        )


def _or_unknown(values: Any, count: int) -> list[Any]:
    """The values, or as many times "not recorded" where there are not just so many."""
    known = isinstance(values, list) and len(values) == count
    return list(values) if known else [NOT_RECORDED] * count


def _runs(name: str, runs: Sequence[FinishedRun], versions: dict[str, list[FinishedRun]]) -> Table:
    root = os.path.commonpath([run.folder.parent.resolve() for run in runs])
    sets = {run.folder: k + 1 for k, same in enumerate(versions.values()) for run in same}
    differing = [f for f in dict.fromkeys(_fields(runs)) if not _same(f, runs)]
    tasks: Column[FinishedRun] = Column(
        "Tasks", lambda run: " → ".join(map(task_title, run.config["tasks"]))
    )
    columns: list[Column[FinishedRun]] = [
        METHOD,
        Column("Seed", lambda run: run.seed),
        _field("λ", "strength"),
        _field("λ from", "strength_from"),
        *([tasks] if not _same("tasks", runs) else []),
        *(_field(field, field) for field in differing),
        *([Column("Versions", lambda run: f"set {sets[run.folder]}")] * (len(versions) > 1)),
        *COSTS[:2],
        Column("Evaluation, s", lambda run: _seconds(run.result["seconds"].get("eval"))),
        Column("Total, s", lambda run: _seconds(run.result["seconds"].get("total"))),
        *COSTS[2:],
        Column("Finished", lambda run: plain(run.result.get("finished"))),
        Column("Folder", lambda run: Path(os.path.relpath(run.folder.resolve(), root)).as_posix()),
    ]
    notes = [
        "Seconds over all tasks. Folders are below the one that they have in common.",
        *about_peak_memory(runs),
    ]
    return table_of(f"{name}-runs", "Runs", columns, runs, notes, narrow=4)


def _field(title: str, field: str) -> Column[FinishedRun]:
    return Column(title, lambda run: plain(run.config.get(field)))


def _seconds(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, (int, float)) for one in value):
        return f"{sum(value):.1f}"
    return f"{value:.1f}" if isinstance(value, (int, float)) else NOT_RECORDED


class _Chosen(NamedTuple):
    """What a run chose for a task."""

    run: FinishedRun
    decision: dict[str, Any]

    @property
    def method(self) -> str:
        return self.run.method


_DECISIONS: list[Column[_Chosen]] = [
    METHOD,
    Column("Seed", lambda one: one.run.seed),
    Column("Task", lambda one: " ".join(map(task_title, one.decision.get("tasks", ())))),
    Column("Learning rate", lambda one: plain(one.decision.get("learning_rate"))),
    Column("λ", lambda one: _strength(one.decision)),
    Column("Reached", lambda one: plain(one.decision.get("reached"))),
    Column("Trials", lambda one: len(one.decision.get("trials", ()))),
]


def _decisions(name: str, runs: Sequence[FinishedRun]) -> list[Table]:
    """What was chosen for each task of runs that chose by trials; nothing where none did."""
    rows = [_Chosen(run, one) for run in runs for one in run.result.get("decisions", ())]
    if not rows:
        return []
    title = "What was chosen for each task"
    notes = [
        "Chosen on the new task's validation data. Reached: whether the method came up to"
        " the share of fine-tuning's accuracy that was asked for. First: so it did with the"
        " first and highest λ that was tried. All trials are in result.json."
    ]
    return [table_of(f"{name}-decisions", title, _DECISIONS, rows, notes, narrow=3)]


def _strength(decision: dict[str, Any]) -> str:
    first = " (first)" if _first_was_enough(decision) else ""
    return plain(decision.get("strength")) + first


def _first_was_enough(decision: dict[str, Any]) -> bool:
    tried = [one for one in decision.get("trials", ()) if one.get("strength") is not None]
    return len(tried) == 1 and bool(decision.get("reached"))
