"""Processes that measure together, and all that they exchange. Pure torch.

All processes of a group call each function at the same point. With a group of None, which is this process
alone, nothing is exchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

Group: TypeAlias = "dist.ProcessGroup | None"
"""The processes that share a measurement; None for this one alone."""

T = TypeVar("T")

_KINDS = (ValueError, TypeError, FloatingPointError, RuntimeError)
"""Errors that keep their type in the other processes; the rest become a RuntimeError there."""


class LostProcessError(ConnectionError):
    """A process of the group has ended, or does not answer."""


def group_of(model: nn.Module) -> Group:
    """Return the processes that train a model together, None if there is only one.

    They are the group of the `DistributedDataParallel` around it, or else the default group.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return None
    wrappers = (m for m in model.modules() if isinstance(m, DistributedDataParallel))
    group = next((wrapper.process_group for wrapper in wrappers), dist.group.WORLD)
    return group if dist.get_world_size(group) > 1 else None


def place_in(group: Group) -> tuple[int, int]:
    """Return the rank of this process in the group, and the number of processes."""
    return (0, 1) if group is None else (dist.get_rank(group), dist.get_world_size(group))


def gathered(group: Group, own: T) -> list[T]:
    """Return the value that each process gives, in the order of their ranks.

    Raises:
        LostProcessError: a process has ended, or does not answer within the group's timeout.
    """
    if group is None:
        return [own]
    found: list[Any] = [None] * dist.get_world_size(group)
    with _connected(group):
        dist.all_gather_object(found, own, group=group)
    return found


def add_up(group: Group, totals: Iterable[Tensor]) -> None:
    """Replace each tensor by its sum over the processes, the same bits in all of them.

    Raises:
        LostProcessError: as for `gathered`.
    """
    if group is None:
        return
    with _connected(group):
        for total in totals:
            dist.all_reduce(total, group=group)


@contextmanager
def raised_in_all(group: Group) -> Iterator[None]:
    """Raise in all processes what a block raises in any of them, so that none waits for another.

    Raises:
        ValueError: another process raised one; likewise for the other types in `_KINDS`.
        RuntimeError: another process raised an error of any other type.
        LostProcessError: as for `gathered`.
    """
    try:
        yield
    except LostProcessError:
        raise
    except Exception as error:
        kind = next((k for k in _KINDS if isinstance(error, k)), RuntimeError)
        gathered(group, (_KINDS.index(kind), f"{type(error).__name__}: {error}"))
        raise
    for rank, failure in enumerate(gathered(group, None)):
        if failure is not None:
            raise _KINDS[failure[0]](f"in process {rank} of {place_in(group)[1]}, {failure[1]}")


@contextmanager
def first_buffers(group: Group, model: nn.Module) -> Iterator[None]:
    """Run a block with the buffers of the first process, such as running statistics.

    `DistributedDataParallel` uses them too, in each forward pass of training. Afterwards this process
    has its own buffers again.

    Raises:
        LostProcessError: as for `gathered`.
    """
    buffers = [] if group is None else list(filter(_can_be_sent, model.buffers()))
    own = [buffer.detach().clone(memory_format=torch.contiguous_format) for buffer in buffers]
    first = [buffer.clone() for buffer in own]
    with _connected(group):
        for buffer in first:
            source = dist.get_global_rank(group, 0) if group else 0
            dist.broadcast(buffer.view(-1).view(torch.uint8), source, group)
    try:
        _fill(buffers, first)
        yield
    finally:
        _fill(buffers, own)


def _can_be_sent(buffer: Tensor) -> bool:
    odd = buffer.is_meta or buffer.is_inference() or buffer.is_quantized
    return buffer.layout == torch.strided and not odd


@torch.no_grad()
def _fill(buffers: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        if not torch.equal(buffer, value):
            buffer.copy_(value)


@contextmanager
def _connected(group: Group) -> Iterator[None]:
    """Turn torch's error about a lost connection into a `LostProcessError`."""
    try:
        yield
    except RuntimeError as error:
        rank, processes = place_in(group)
        raise LostProcessError(
            f"process {rank} of {processes} waited for another one, which has ended or has not answered "
            f"within the group's timeout ({str(error).split('. ')[0]}); look for the cause in that "
            "one's output, and start all processes again"
        ) from error
