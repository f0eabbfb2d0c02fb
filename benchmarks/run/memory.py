"""The memory that a run takes, and that its method keeps from task to task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from avalanche_mas.plugins import ImportancePlugin, peak_bytes

MEGABYTE = 1e6


def peak_memory_mb() -> float:
    """Return the peak resident memory of this process, libraries included, in 10⁶ bytes."""
    return peak_bytes(torch.device("cpu")) / MEGABYTE


def memory_mb(held: Iterable[Any], model: nn.Module) -> dict[str, float]:
    """Return the memory needed to go on to the next task, in 10⁶ bytes, as in the paper's figure.

    `"network"` is the size of the network's parameters and buffers, with all heads so far;
    `"stored"` is that of what the method keeps besides (see `stored_mb`): importance, anchors,
    copies of the network, autoencoders.
    """
    sizes = _storages([model])
    return {"network": sum(sizes.values()) / MEGABYTE, "stored": stored_mb(held, model)}


def by_part(tasks: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return the measurements after each task as one list per part."""
    return {part: [task[part] for task in tasks] for part in tasks[0]}


def stored_mb(held: Iterable[Any], model: nn.Module) -> float:
    """Return the size of all tensors reachable from `held`, except the model's, in 10⁶ bytes.

    Attributes and items of plugins, containers and modules are followed, except data sets. Of
    MAS only Ω and θ* count: what it keeps to refine Ω it drops when the next task begins.
    """
    own = _storages([model])
    stored = _storages(list(held))
    return sum(size for place, size in stored.items() if place not in own) / MEGABYTE


def _storages(things: Sequence[Any]) -> dict[int, int]:
    """Return the size in bytes of each tensor storage, by address."""
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
