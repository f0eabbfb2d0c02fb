"""Checkpoints of unfinished runs: a file in the run folder, written after each task.

It is a zip archive: `run.json` identifies the run, `state.pt` holds its state. The state is a
pickle, and loading it runs the code it names: continue only runs of your own.

Between two tasks, a strategy's state is its model and the attributes of its plugins, Avalanche's
clock among them; each task starts with a fresh optimizer state and its own seed. The strategy itself is
never pickled, nor is a data set that a plugin leaves out in `__getstate__`.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from avalanche_mas.files import replacing
from avalanche_mas.streams import TaskBenchmark
from benchmarks.record.code_version import code_digest
from benchmarks.record.folders import package_versions
from benchmarks.record.schema import CHECKPOINT
from benchmarks.record.settings import NOTES, Settings

_IDENTITY, _STATE = "run.json", "state.pt"


def identity(settings: Settings, stream: TaskBenchmark) -> dict[str, Any]:
    """Return what a run's numbers depend on, except the machine, as JSON."""
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
    """Write a run's identity and state in one step, over any earlier checkpoint.

    The state is pickled as a whole, so that tensors which share memory still do when it is
    read.

    Raises:
        TypeError: It cannot be pickled.
    """
    with replacing(folder / CHECKPOINT) as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_IDENTITY, json.dumps(run))
        with archive.open(_STATE, "w", force_zip64=True) as entry:
            try:
                torch.save(state, entry)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise TypeError(
                    f"the run's state cannot be pickled ({error}); define classes and "
                    "functions at the top level of a module, or leave it out in __getstate__"
                ) from error


def read_checkpoint(folder: Path, run: dict[str, Any], say: Callable[[str], None]) -> Any:
    """Return the state to continue a run from, `None` if it must start again.

    It must if there is no checkpoint, or one with another identity: another configuration, other
    data, or another version of the code or of a library. No run mixes two of them; `say` gets the
    reason.

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
                say(f"starts over: begun with other {', '.join(differing)}, so it cannot continue")
                return None
            content = io.BytesIO(archive.read(_STATE))
        return torch.load(content, weights_only=False)
    except OSError:
        raise
    except Exception as error:  # unpickling raises whatever the broken file makes it raise
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {error}); remove it, and the same command "
            "starts this run over"
        ) from error


def state_of(thing: Any) -> dict[str, Any]:
    """Return the state that pickle takes of an object: its attributes or its `__getstate__`."""
    state = thing.__reduce_ex__(4)[2]
    return dict(state or {})


def put_back(thing: Any, state: dict[str, Any]) -> None:
    """Set an object's state in place; what `state_of` leaves out stays as it is."""
    if hasattr(thing, "__setstate__"):
        thing.__setstate__(state)
        return
    for name in state_of(thing).keys() - state.keys():
        delattr(thing, name)
    vars(thing).update(state)


def snapshot(strategy: Any) -> dict[str, Any]:
    """Return a strategy's state between two tasks, without copying its objects.

    It must be pickled as a whole, so that tensors which share memory still do afterwards.

    Raises:
        TypeError: A plugin has another one as an attribute, which would be duplicated.
    """
    plugins = _plugins(strategy)
    states = [state_of(plugin) for plugin in plugins]
    for plugin, state in zip(plugins, states, strict=True):
        for name, value in state.items():
            if any(value is other for other in plugins):
                raise TypeError(
                    f"{type(plugin).__name__}.{name} is another plugin of the strategy, so a run "
                    "with it cannot be kept; leave it out in __getstate__"
                )
    groups = [
        {name: option for name, option in group.items() if name != "params"}
        for group in strategy.optimizer.param_groups
    ]
    return {"model": strategy.model, "plugins": states, "optimizer": groups}


def restore(strategy: Any, kept: dict[str, Any]) -> None:
    """Give a newly constructed strategy the state of another one that was constructed alike.

    The strategy keeps its plugin objects and takes over those of the unpickled `snapshot`; its
    optimizer has no state.
    """
    names = {id(p): name for name, p in strategy.model.named_parameters()}
    parameters = dict(kept["model"].named_parameters())
    groups = strategy.optimizer.param_groups
    for group, options in zip(groups, kept["optimizer"], strict=True):
        group.update(options, params=[parameters[names[id(p)]] for p in group["params"]])
    strategy.model, strategy.optimized_param_id = kept["model"], None
    for plugin, state in zip(_plugins(strategy), kept["plugins"], strict=True):
        put_back(plugin, state)


def _plugins(strategy: Any) -> Sequence[Any]:
    """Return all plugins but the evaluator: its loggers hold files, its metrics restart by task."""
    return [plugin for plugin in strategy.plugins if plugin is not strategy.evaluator]
