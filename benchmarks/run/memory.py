"""How much memory a run took, and how much of it its method keeps from task to task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from avalanche_mas.plugins import ImportancePlugin, peak_bytes

MEGABYTE = 1e6


def peak_memory_mb() -> float:
    """Return the most memory this process has had resident, in 10⁶ bytes, libraries included."""
    return peak_bytes(torch.device("cpu")) / MEGABYTE


def memory_mb(held: Iterable[Any], model: nn.Module) -> dict[str, float]:
    """Return what has to be kept to go on to the next task, in 10⁶ bytes, as the paper's figure does.

    `"network"` is the size of the network's parameters and buffers, all heads so far included;
    `"stored"` that of what the method keeps beside it, see `stored_mb`: importance, anchors, copies
    of the network, autoencoders.
    """
    sizes = _storages([model])
    return {"network": sum(sizes.values()) / MEGABYTE, "stored": stored_mb(held, model)}


def by_part(tasks: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return what was measured after each task as one list for each part."""
    return {part: [task[part] for task in tasks] for part in tasks[0]}


def stored_mb(held: Iterable[Any], model: nn.Module) -> float:
    """Return the size of all tensors reachable from `held`, without the model's own, in 10⁶ bytes.

    Args:
        held: What keeps tensors: plugins, with their attributes, containers and modules. Data sets
            are not entered. Of MAS, Ω and θ* count: what it keeps beside them to refine Ω is let go
            when the next task begins.
        model: Whatever shares memory with its parameters and buffers is not counted.
    """
    own = _storages([model])
    stored = _storages(list(held))
    return sum(size for place, size in stored.items() if place not in own) / MEGABYTE


def _storages(things: Sequence[Any]) -> dict[int, int]:
    """Return the size in bytes of every piece of memory that holds tensors, by its address."""
    seen: set[int] = set()
    storages = [tensor.untyped_storage() for thing in things for tensor in _tensors(thing, seen)]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def _tensors(thing: Any, seen: set[int]) -> Iterator[Tensor]:
    if id(thing) in seen or isinstance(thing, (str, bytes, type, Dataset)):
        return
    seen.add(id(thing))
    if isinstance(thing, Tensor):
        yield thing
        return
    for part in _parts(thing):
        yield from _tensors(part, seen)


def _parts(thing: Any) -> Iterable[Any]:
    if isinstance(thing, nn.Module):
        return (*thing.parameters(), *thing.buffers())
    if isinstance(thing, ImportancePlugin):
        return (*thing.importance.values(), *thing.anchors.values())
    if isinstance(thing, Mapping):
        return thing.values()
    if isinstance(thing, (list, tuple, set, frozenset)):
        return thing
    return getattr(thing, "__dict__", {}).values()
