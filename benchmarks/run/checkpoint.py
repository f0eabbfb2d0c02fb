"""Which run the checkpoints in a folder belong to: no run resumes from those of another.

Another configuration, other data, or another version of the code or of a library makes it another run.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.code_version import code_digest
from benchmarks.record.files import read_json, write_json
from benchmarks.record.folders import has_checkpoints, package_versions
from benchmarks.record.imported import source_digest
from benchmarks.record.schema import CHECKPOINTS
from benchmarks.record.settings import NOTES, Settings

_IDENTITY, _ID = "run.json", "id"


def identity(settings: Settings, stream: TaskBenchmark) -> dict[str, Any]:
    """Return what a run's numbers depend on, except the machine, as JSON."""
    configuration = {n: v for n, v in settings.as_json().items() if n not in NOTES}
    data = [[task.name, list(task.sizes), task.split] for task in stream.tasks]
    parts = {
        "configuration": configuration,
        "data": data,
        "code of this project": code_digest(),
        "code by import path": {path: source_digest(path) for path in settings.imports},
        **package_versions(),
    }
    content: dict[str, Any] = json.loads(json.dumps(parts))
    return content


def id_to_go_on(folder: Path, run: dict[str, Any], say: Callable[[str], None]) -> str | None:
    """Return the id of the run whose checkpoints a folder holds; None if it must start over.

    It must if there are none, or if they are of a run with another identity; `say` gets the reason.

    Raises:
        ValueError: The file that says whose they are is damaged.
    """
    file = folder / CHECKPOINTS / _IDENTITY
    if not file.is_file() or not has_checkpoints(folder):
        return None
    try:
        found = dict(read_json(file))
        known = str(found.pop(_ID))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is damaged ({error.__cause__ or error}); remove {file.parent}, and the same command "
            "starts this run over"
        ) from error
    differing = [n for n in {**run, **found} if run.get(n) != found.get(n)]
    if differing:
        say(f"starts over: begun with other {', '.join(differing)}, so it cannot continue")
        return None
    return known


def new_id(folder: Path, run: dict[str, Any]) -> str:
    """Record which run the checkpoints will belong to; return its id, which is W&B's if that is set."""
    found = os.environ.get("WANDB_RUN_ID") or uuid.uuid4().hex[:8]
    write_json(folder / CHECKPOINTS / _IDENTITY, {**run, _ID: found})
    return found
