"""What an unfinished run goes on from: a file in its folder, written whenever a task is learned.

It is a zip archive: `run.json` says which run it is of, `state.pt` holds its state. The state is a
pickle, and loading one runs what code it names: go on with runs of your own only.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.code_version import code_digest
from benchmarks.record.files import whole_file
from benchmarks.record.folders import package_versions
from benchmarks.record.settings import NOTES, Settings

CHECKPOINT = "checkpoint.zip"
_IDENTITY, _STATE = "run.json", "state.pt"


def identity(settings: Settings, stream: TaskBenchmark) -> dict[str, Any]:
    """Return all that a run's numbers depend on, the machine aside, as JSON."""
    configuration = {n: v for n, v in settings.as_json().items() if n not in NOTES}
    data = [[task.name, list(task.sizes), task.split] for task in stream.tasks]
    parts = {
        "configuration": configuration,
        "data": data,
        "code of this project": code_digest(),
        **package_versions(),
    }
    content: dict[str, Any] = json.loads(json.dumps(parts))
    return content


def write_checkpoint(folder: Path, run: dict[str, Any], state: Any) -> None:
    """Write what a run goes on from, in one step, in place of what there was.

    Args:
        folder: The run folder.
        run: The run's `identity`.
        state: Whatever can be pickled. It is written in one piece: what shares memory still does
            when it is read.

    Raises:
        TypeError: It cannot be pickled.
    """
    with whole_file(folder / CHECKPOINT) as stream, zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(_IDENTITY, json.dumps(run))
        with archive.open(_STATE, "w", force_zip64=True) as entry:
            try:
                torch.save(state, entry)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise TypeError(
                    f"what the run goes on from cannot be pickled ({error}); define classes and "
                    "functions at the top level of a module, or leave it out in __getstate__"
                ) from error


def read_checkpoint(folder: Path, run: dict[str, Any], say: Callable[[str], None]) -> Any:
    """Return the state that a run goes on from, `None` if it has to start anew.

    That is where no checkpoint was written yet, or where it is of another run: made with another
    configuration, other data, or another version of the code or of a library, on which its numbers
    depend. A run is never put together from two of them; that it starts anew is said.

    Args:
        folder: The run folder.
        run: The run's `identity`.
        say: Takes the line that says why it starts anew.

    Raises:
        ValueError: The file is damaged.
        OSError: It cannot be read.
    """
    file = folder / CHECKPOINT
    if not file.exists():
        return None
    try:
        with zipfile.ZipFile(file) as archive:
            found = json.loads(archive.read(_IDENTITY))
            differing = [n for n in {**run, **found} if run.get(n) != found.get(n)]
            if differing:
                say(f"starts anew: begun with other {', '.join(differing)}, so it cannot go on")
                return None
            content = io.BytesIO(archive.read(_STATE))
        return torch.load(content, weights_only=False)
    except OSError:
        raise
    except Exception as error:  # unpickling raises whatever the broken file makes it raise
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {error}); remove it, and the same command "
            "starts this run anew"
        ) from error
