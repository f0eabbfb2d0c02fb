"""What says that a run that goes on is the run that was saved: stream, arguments, versions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from avalanche_mas.checkpoint.rooms import ROOMS, CheckpointError
from avalanche_mas.checkpoint.samples import described
from avalanche_mas.plugins import ImportancePlugin

_OF_PENALTY = ("lambda_reg", "alpha", "accumulation")
_TORCH = str(torch.__version__)


class Identity:
    """The identity of a run.

    Args:
        strategy: The strategy, newly built.
        plugins: Its plugins.
        datasets: Those of the training stream.
    """

    def __init__(self, strategy: Any, plugins: Iterable[Any], datasets: Iterable[Any]) -> None:
        self.run = os.urandom(8).hex()
        self._samples = [described(dataset) for dataset in datasets]
        self._built = built(strategy, plugins)

    def state(self) -> dict[str, Any]:
        """Return what is saved at the beginning of an experience."""
        return {
            "run": self.run,
            "samples": self._samples,
            "built": self._built,
            "torch": _TORCH,
        }

    def go_on(self, saved: Mapping[str, Any], within: str | None, folder: Path) -> str:
        """Take on the identity of a run, and return what its user should know.

        Args:
            saved: What `state` returned when it was saved.
            within: The run that the newest file is of, if that is not `saved`.
            folder: The folder, for messages.

        Raises:
            CheckpointError: It is of another run.
        """
        if within not in (None, saved["run"]):
            raise CheckpointError(
                f"the files in {folder} are of several runs; remove those that were copied there"
            )
        if saved["samples"] != self._samples:
            raise CheckpointError(
                f"the checkpoints in {folder} are of a stream with {saved['samples']}, and this one has "
                f"{self._samples}; pass the same stream in the same order, with a seed if it is "
                "shuffled, or another folder"
            )
        refuse_other(saved["built"], self._built, folder)
        self.run = saved["run"]
        if saved["torch"] == _TORCH:
            return ""
        return (
            f" (saved with torch {saved['torch']}, and this is {_TORCH}: the last bits may differ)"
        )


def refuse_other(then: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Refuse arguments that are not those of the run.

    Raises:
        CheckpointError: There are some.
    """
    other = [name for name in then if name in now and then[name] != now[name]]
    if other:
        was = ", ".join(f"{name}={then[name]}" for name in other)
        found = ", ".join(f"{name}={now[name]}" for name in other)
        raise CheckpointError(
            f"the checkpoints in {folder} are of a run with {was}, and this one has {found}; build the "
            "strategy as it was, or take another folder. To change a run on purpose, call restore() "
            "first and change the strategy then, which is possible between two experiences"
        )


def built(strategy: Any, plugins: Iterable[Any]) -> dict[str, str]:
    """Return the arguments that show in a newly built strategy, its optimizer and its plugins."""
    found = {"strategy": type(strategy).__name__, "optimizer": type(strategy.optimizer).__name__}
    parts: list[tuple[str, Mapping[str, Any]]] = [("", vars(strategy))]
    parts += [(f"optimizer.{k}.", group) for k, group in enumerate(strategy.optimizer.param_groups)]
    counts: dict[str, int] = {}
    for plugin in plugins:
        kind, own = type(plugin), isinstance(plugin, ImportancePlugin)
        if own or (kind.__module__.startswith(ROOMS) and not hasattr(plugin, "state_dict")):
            number = counts[kind.__name__] = counts.get(kind.__name__, -1) + 1
            parts.append((f"{kind.__name__}.{number}.", _options(plugin) if own else vars(plugin)))
    for prefix, values in parts:
        found |= {f"{prefix}{n}": repr(each) for n, each in values.items() if _is_argument(n, each)}
    return found


def _options(plugin: ImportancePlugin) -> dict[str, Any]:
    """Return the options that decide about the numbers."""
    names = {each.name for each in fields(plugin)} - {"verbose", "num_workers"}
    values = {name: getattr(plugin, name) for name in (*sorted(names), *_OF_PENALTY)}
    return {
        name: str(each) if isinstance(each, torch.dtype) else each for name, each in values.items()
    }


def _is_argument(name: str, value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_argument(name, each) for each in value)
    return not name.startswith("_") and type(value) in (bool, int, float, str)
