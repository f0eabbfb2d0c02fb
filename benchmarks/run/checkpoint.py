"""What an unfinished run goes on from: a file in its folder, written whenever a task is learned.

It is a zip archive: `run.json` says which run it is of, `state.pt` holds its state. The state is a
pickle, and loading one runs what code it names: go on with runs of your own only.

Of a strategy the state is, between two tasks, its model and the attributes of its plugins,
Avalanche's clock among them: every task starts with a fresh optimizer and a seed of its own. The
strategy itself is never pickled, nor is a data set that a plugin leaves out by `__getstate__`.
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
    with replacing(folder / CHECKPOINT) as file, zipfile.ZipFile(file, "w") as archive:
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


def state_of(thing: Any) -> dict[str, Any]:
    """Return an object's state as pickle takes it: its attributes, or what `__getstate__` gives."""
    state = thing.__reduce_ex__(4)[2]
    return dict(state or {})


def put_back(thing: Any, state: dict[str, Any]) -> None:
    """Give an object a state, in place; what `state_of` leaves out stays as it is."""
    if hasattr(thing, "__setstate__"):
        thing.__setstate__(state)
        return
    for name in state_of(thing).keys() - state.keys():
        delattr(thing, name)
    vars(thing).update(state)


def snapshot(strategy: Any) -> dict[str, Any]:
    """Return what a strategy has become, between two tasks; its objects are not copies.

    To be pickled in one piece, so that what shares memory still does afterwards.

    Raises:
        TypeError: A plugin has another one among its attributes, of which there would be two
            afterwards.
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
    groups = [_without_parameters(group) for group in strategy.optimizer.param_groups]
    return {"model": strategy.model, "plugins": states, "optimizer": groups}


def restore(strategy: Any, kept: dict[str, Any]) -> None:
    """Make a strategy what another one, constructed in the same way, had become.

    Args:
        strategy: One that was just constructed. Its optimizer will have no state, and its plugins
            stay the objects they are.
        kept: From `snapshot`, by way of a pickle; its objects become the strategy's.
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
    """Return all plugins but the evaluator: its loggers hold files, its metrics start with each task."""
    return [plugin for plugin in strategy.plugins if plugin is not strategy.evaluator]


def _without_parameters(group: dict[str, Any]) -> dict[str, Any]:
    return {name: option for name, option in group.items() if name != "params"}
