"""The state of a network: parameters, buffers of every kind, modes, and what its modules note."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avalanche_mas.checkpoint.codec import CheckpointError

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))


def network_state(model: nn.Module) -> dict[str, Any]:
    """Return the state: values that `codec` can write."""
    state = model.state_dict()
    own = {_place(tensor) for tensor in (*model.parameters(), *model.buffers())}
    return {
        "state": state,
        "buffers": {name: held[leaf] for name, held, leaf in _buffers(model) if name not in state},
        "training": [name for name, module in model.named_modules() if module.training],
        "frozen": [name for name, p in model.named_parameters() if not p.requires_grad],
        "attributes": {
            name: {
                attribute: value
                for attribute, value in vars(module).items()
                if attribute not in _OF_EVERY_MODULE and _is_state(value, own)
            }
            for name, module in model.named_modules()
        },
        "generators": {
            f"{name}.{attribute}": generator.get_state()
            for name, attribute, generator in _generators(model)
        },
    }


def load_network(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Set what `network_state` returned.

    Raises:
        CheckpointError: It is of another network.
    """
    for name, held, leaf in _buffers(model):
        if name in state["buffers"]:
            held[leaf] = state["buffers"][name]
        elif held[leaf] is None:
            held[leaf] = state["state"].get(name)
    try:
        model.load_state_dict(state["state"])
    except RuntimeError as error:
        raise CheckpointError(f"the checkpoint is of another model: {error}") from error
    training, frozen = set(state["training"]), set(state["frozen"])
    for name, module in model.named_modules():
        vars(module).update(state["attributes"].get(name, {}))
        module.training = name in training
    for name, attribute, generator in _generators(model):
        if (saved := state.get("generators", {}).get(f"{name}.{attribute}")) is not None:
            generator.set_state(saved.clone())  # torch reads from the storage's start
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)


def fits(model: nn.Module, state: Mapping[str, Any]) -> bool:
    """Return whether a model has the parameters of a `state_dict`, in their shapes."""
    beside = {name for name, _, _ in _buffers(model)}
    now = {name: p.shape for name, p in model.state_dict().items() if name not in beside}
    then = {name: p.shape for name, p in state.items() if name not in beside}
    return now == then


def _buffers(model: nn.Module) -> Iterator[tuple[str, dict[str, Tensor | None], str]]:
    """Yield the name of every buffer, those that are None included, and where it is held."""
    for path, module in model.named_modules():
        for leaf in module._buffers:
            yield f"{path}.{leaf}" if path else leaf, module._buffers, leaf


def _generators(model: nn.Module) -> Iterator[tuple[str, str, torch.Generator]]:
    """Yield the generators that modules hold, with the names of the module and the attribute."""
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            if isinstance(value, torch.Generator):
                yield name, attribute, value


def _is_state(value: Any, own: set[int]) -> bool:
    """Return whether a value is a number, a text, a tensor, or a collection of some.

    Tensors in the memory of the network's own, such as the weights that an LSTM lists, are not.
    """
    if isinstance(value, dict):
        return all(_is_state(each, own) for item in value.items() for each in item)
    if isinstance(value, set | frozenset | list | tuple | deque):
        return all(_is_state(each, own) for each in value)
    if isinstance(value, Tensor):
        return not isinstance(value, nn.Parameter) and _place(value) not in own
    plain = value is None or type(value) in (bool, int, float, str, np.ndarray)
    return plain or isinstance(value, np.number | np.bool_)


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
