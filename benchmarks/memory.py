"""How much memory a run took, and how much of it its method keeps from task to task."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

MEGABYTE = 1e6


def peak_memory_mb() -> float:
    """Return the most memory this process has had resident, in 10⁶ bytes, libraries included."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count the process that this one was started from
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1]) / MEGABYTE
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def stored_mb(held: Iterable[Any], model: nn.Module) -> float:
    """Return the size of all tensors reachable from `held`, without the model's own, in 10⁶ bytes.

    Args:
        held: What keeps tensors: plugins, with their attributes, containers and modules. Data sets
            are not entered.
        model: Whatever shares memory with its parameters and buffers is not counted.
    """
    own = {tensor.untyped_storage().data_ptr() for tensor in _tensors(model, set())}
    seen: set[int] = set()
    sizes = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for thing in held
        for tensor in _tensors(thing, seen)
    }
    return sum(size for place, size in sizes.items() if place not in own) / MEGABYTE


def _tensors(thing: Any, seen: set[int]) -> Iterator[Tensor]:
    if id(thing) in seen or isinstance(thing, (str, bytes, type, Dataset)):
        return
    seen.add(id(thing))
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, nn.Module):
        yield from thing.parameters()
        yield from thing.buffers()
    elif isinstance(thing, Mapping):
        for value in thing.values():
            yield from _tensors(value, seen)
    elif isinstance(thing, (list, tuple, set, frozenset)):
        for value in thing:
            yield from _tensors(value, seen)
    else:
        for value in getattr(thing, "__dict__", {}).values():
            yield from _tensors(value, seen)
