"""The state of a plugin as a safetensors file."""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from avalanche_mas.files import parse_json
from avalanche_mas.importance import Measure
from avalanche_mas.names import parameters_of
from avalanche_mas.penalty.checks import check_growth
from avalanche_mas.plugins.memory import Memory, differing
from avalanche_mas.plugins.state import check_state
from avalanche_mas.tensor_files import read_tensors, write_tensors

FORMAT, VERSION = "avalanche_mas.plugin", "1"


class Saved:
    """Saving a plugin's state and loading it; `MASPlugin` describes the rest."""

    _memory: Memory

    @property
    @abstractmethod
    def measure(self) -> Measure:
        """What is measured."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the `state_dict` to a safetensors file: Ω, θ* and Ω_n, which can still be refined.

        The file is written completely or not at all, and loading it runs no code. Save the model's
        weights and the optimizer beside it. λ is not in it, nor are options that say how the next task
        is trained.

        Args:
            path: the file.

        Raises:
            FileNotFoundError: there is no folder for the file.
        """
        tensors: dict[str, Tensor] = {}
        texts = {
            "format": FORMAT,
            "version": VERSION,
            "settings": json.dumps(self._settings()),
            "state": json.dumps(_packed(self.state_dict(), "", tensors)),
        }
        write_tensors(path, tensors, texts)

    def load(self, path: str | os.PathLike[str], model: nn.Module | None = None) -> None:
        """Continue from a file of `save`; the next experience trained counts as a new task.

        The plugin is as it was if an error is raised.

        Args:
            path: the file.
            model: the model to be trained, with the weights that it had when the plugin was saved, to
                check that it is that one. Without it, other weights are noticed when the next task
                begins; see `on_change`.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged or no such file; it is of a plugin that measures or accumulates
                in another way; or the model has other parameters. The first difference is named.
        """
        state, settings = _read(path)
        for name, own in self._settings().items():
            if settings.get(name) != own:
                raise ValueError(
                    f"{path} was saved with {name}={settings.get(name)!r}, and this plugin has "
                    f"{own!r}; make the plugin as it was"
                )
        try:
            check_state(state, self.measure)
            if model is not None:
                _check_model((state["learned"] or state["held"])["anchors"], model)
            self.load_state_dict(state)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} cannot be loaded: {error}") from error

    def _settings(self) -> dict[str, Any]:
        """Return the options that Ω of earlier tasks depends on; the measure is in the state."""
        held = self._memory.held
        dtype = None if held.importance_dtype is None else str(held.importance_dtype)
        return {"accumulation": held.accumulation, "alpha": held.alpha, "importance_dtype": dtype}


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state and the settings of a file."""
    tensors, texts = read_tensors(path)
    if texts.get("format") != FORMAT:
        raise ValueError(f"{path} is no file of a plugin; its save() writes one")
    if texts.get("version") != VERSION:
        raise ValueError(
            f"{path} is of version {texts.get('version')!r}, and this code reads {VERSION!r}; load it "
            "with the release that saved it"
        )
    try:
        state = _unpacked(parse_json(texts["state"]), tensors)
        settings = parse_json(texts["settings"])
        return dict(state), dict(settings)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error!r}); restore it from a copy") from error


def _packed(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """Return a value for JSON, and put its tensors aside under their places.

    A tensor becomes a mapping with an empty name, which no parameter has.
    """
    if isinstance(value, Tensor):
        tensors[place] = value
        return {"": place}
    if isinstance(value, Mapping):
        return {k: _packed(each, f"{place}/{k}".lstrip("/"), tensors) for k, each in value.items()}
    return value


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "" in value:
        return tensors[value[""]]
    return {name: _unpacked(each, tensors) for name, each in value.items()}


def _check_model(anchors: Mapping[str, Tensor], model: nn.Module) -> None:
    parameters = parameters_of(model)
    missing = [name for name in anchors if name not in parameters]
    if missing:
        raise ValueError(
            f"the model has no {missing[0]!r} ({len(missing)} of {len(anchors)} parameters are missing); "
            "build it as it was, with the heads that it had, and load its weights first"
        )
    for name, anchor in anchors.items():
        check_growth(name, anchor, parameters[name])
    changed = differing(anchors, parameters)
    if changed:
        raise ValueError(
            f"{len(changed)} parameters of the model are not what they were when the plugin was saved, "
            f"such as {changed[0]!r}; load the model's weights first, or leave model= out"
        )
