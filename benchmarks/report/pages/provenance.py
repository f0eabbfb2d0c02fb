"""Where the numbers come from: configuration, versions, data and costs of every run, as tables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report.figures.style import UPPER_BOUND, task_title, title
from benchmarks.report.numbers.runs import Run
from benchmarks.report.numbers.summary import about_peak_memory
from benchmarks.report.page import Page
from benchmarks.report.tables import NOTHING, Cell, Table

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


def _fields(runs: Iterable[Run]) -> list[str]:
    """The fields of the configurations that have no column of their own, in their order."""
    return [field for run in runs for field in run.config if field not in ELSEWHERE]


def _same(field: str, runs: Sequence[Run]) -> bool:
    return len({json.dumps(run.config.get(field)) for run in runs}) == 1


def _configuration(name: str, runs: Sequence[Run]) -> Table:
    fields = dict.fromkeys(field for field in _fields(runs) if _same(field, runs))
    return Table(
        name=f"{name}-configuration",
        title="Configuration of all runs",
        header=["Field", "Value"],
        rows=[[Cell(field), Cell(plain(runs[0].config.get(field)))] for field in fields],
        notes=["As in config.json. What differs between runs is in the table of runs."],
        narrow=2,
    )


def _distinct(runs: Sequence[Run], of: Callable[[Run], Any]) -> dict[str, list[Run]]:
    """The runs by what is said of them, as JSON, in the order of the runs."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(json.dumps(of(run)), []).append(run)
    return found


def _versions(name: str, versions: dict[str, list[Run]]) -> Table:
    each = [json.loads(text) for text in versions]
    fields = dict.fromkeys(field for one in each for field in one)
    counts = [len(same) for same in versions.values()]
    return Table(
        name=f"{name}-versions",
        title="Versions and machine",
        header=["Field", *(f"Set {k + 1} ({_count(n)})" for k, n in enumerate(counts))],
        rows=[[Cell(field), *(Cell(_version(one, field)) for one in each)] for field in fields],
        notes=[
            "As in versions.json. The table of runs says which run has which set."
            if fields
            else f"{NOT_RECORDED.capitalize()}."
        ],
        narrow=2,
    )


def _version(versions: dict[str, Any], field: str) -> str:
    if field == "code" and field in versions and versions[field] is None:
        return NOT_RECORDED
    return plain(versions.get(field))


def _count(runs: int) -> str:
    return f"{runs} run{'' if runs == 1 else 's'}"


def _data(name: str, runs: Sequence[Run]) -> Table:
    """A row for every different thing that runs say of the data of a task."""
    counts: dict[tuple[str, ...], int] = {}
    for run in runs:
        for row in _data_rows(run):
            counts[row] = counts.get(row, 0) + 1
    header = ["Task", "Pictures", "Classes", "Train", "Valid", "Test", "Split"]
    return Table(
        name=f"{name}-data",
        title="Data",
        header=[*header, "Beside the complete data set", "Left out", "Runs"],
        rows=[[*map(Cell, row), Cell(str(count))] for row, count in counts.items()],
        notes=[
            "Images a task for training, validation and test. Split: how they were divided, with"
            " the digest of the result. † marks what only stands in for the data set of that name."
        ],
        narrow=6,
    )


def _data_rows(run: Run) -> Iterable[tuple[str, ...]]:
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


def _runs(name: str, runs: Sequence[Run], versions: dict[str, list[Run]]) -> Table:
    differing = [f for f in dict.fromkeys(_fields(runs)) if not _same(f, runs)]
    several_tasks = not _same("tasks", runs)
    header = ["Method", "Seed", "λ", "λ from"]
    header += ["Tasks"] * several_tasks + differing + ["Versions"] * (len(versions) > 1)
    header += ["Training, s", "Importance, s", "Evaluation, s", "Total, s"]
    header += ["Peak memory, MB", "Stored, MB", "Finished", "Folder"]
    root = os.path.commonpath([run.folder.parent.resolve() for run in runs])
    sets = {run.folder: k + 1 for k, same in enumerate(versions.values()) for run in same}

    def cells(run: Run) -> list[str]:
        config, seconds = run.config, run.result["seconds"]
        texts = [title(run.method), str(run.seed)]
        texts += [plain(config.get("strength")), plain(config.get("strength_from"))]
        texts += [" → ".join(map(task_title, config["tasks"]))] * several_tasks
        texts += [plain(config.get(field)) for field in differing]
        texts += [f"set {sets[run.folder]}"] * (len(versions) > 1)
        texts += [f"{run.train_seconds:.1f}", f"{run.importance_seconds:.2f}"]
        texts += [_seconds(seconds.get(part)) for part in ("eval", "total")]
        texts += [f"{run.peak_memory_mb:.0f}"]
        texts += [NOTHING if run.method == UPPER_BOUND else f"{run.stored_mb:.2f}"]
        folder = Path(os.path.relpath(run.folder.resolve(), root)).as_posix()
        return [*texts, plain(run.result.get("finished")), folder]

    return Table(
        name=f"{name}-runs",
        title="Runs",
        header=header,
        rows=[[Cell(text) for text in cells(run)] for run in runs],
        notes=[
            "Seconds over all tasks. Folders are below the one that they have in common.",
            *about_peak_memory(runs),
        ],
        narrow=4,
    )


def _seconds(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, (int, float)) for one in value):
        return f"{sum(value):.1f}"
    return f"{value:.1f}" if isinstance(value, (int, float)) else NOT_RECORDED


def _decisions(name: str, runs: Sequence[Run]) -> list[Table]:
    """What was chosen for each task of runs that chose by trials; nothing where none did."""
    rows = [
        [
            title(run.method),
            str(run.seed),
            " ".join(map(task_title, one.get("tasks", ()))),
            plain(one.get("learning_rate")),
            plain(one.get("strength")) + (" (first)" if _first_was_enough(one) else ""),
            plain(one.get("reached")),
            str(len(one.get("trials", ()))),
        ]
        for run in runs
        for one in run.result.get("decisions", ())
    ]
    if not rows:
        return []
    return [
        Table(
            name=f"{name}-decisions",
            title="What was chosen for each task",
            header=["Method", "Seed", "Task", "Learning rate", "λ", "Reached", "Trials"],
            rows=[[Cell(text) for text in row] for row in rows],
            notes=[
                "Chosen on the new task's validation data. Reached: whether the method came up to"
                " the share of fine-tuning's accuracy that was asked for. First: so it did with the"
                " first and highest λ that was tried. All trials are in result.json."
            ],
            narrow=3,
        )
    ]


def _first_was_enough(decision: dict[str, Any]) -> bool:
    tried = [one for one in decision.get("trials", ()) if one.get("strength") is not None]
    return len(tried) == 1 and bool(decision.get("reached"))
