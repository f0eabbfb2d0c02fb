"""Leaving a model as it was found, and starting every forward pass from the same state."""

from __future__ import annotations

import copy
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from operator import is_
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils.hooks import BackwardHook

from avalanche_mas.randomness import untouched_randomness as untouched_randomness

SMALL = 2**16
"""Tensors of up to so many entries are restored before every forward pass, changed or not."""

LARGE = 2**12
"""Containers of more than so many numbers and strings are compared after the first forward pass and at
the end; before the other passes they are only counted, unless one has changed them."""

_PLAIN = str | int | float | None

_OF_EVERY_MODULE = frozenset(nn.Module().__dict__) - {"_buffers"}
"""What a forward pass leaves alone: hooks, modules, parameters, which the general path exchanges."""


class _Kept(NamedTuple):
    """A tensor that a module holds besides its parameters, with its earlier value."""

    module: str
    name: str
    tensor: Tensor
    version: int
    value: Tensor

    @property
    def counted(self) -> bool:
        """Whether torch has counted a change."""
        return self.tensor._version != self.version


class _Container:
    """A list, dictionary, set or deque that a module holds, with its earlier content."""

    def __init__(self, now: Any, *, large: bool) -> None:
        self._now, self._before = now, now.copy()
        self._still = large  # and no pass has changed it
        self._compared = 0  # first before any pass

    def restore(self, *, thorough: bool) -> None:
        """Go back to the earlier content; a large container that keeps still is only counted."""
        counted = self._still and self._compared > 1 and not thorough
        if counted and len(self._now) == len(self._before):
            return
        self._still = not _restore(self._now, self._before) and self._still
        self._compared += 1


class State:
    """What a forward pass may change in a model: attributes, containers and tensors of its modules.

    Lists, dictionaries, sets and deques count with what is in them, so that a cache that is filled in a
    forward pass is emptied again. Parameters are left alone.
    """

    def __init__(self, model: nn.Module) -> None:
        self._attributes = _attributes(model)
        self._containers: list[_Container] = []
        self._tensors: list[_Kept] = []
        seen: set[int] = set()
        for path, module in model.named_modules():
            for name, value in (*module._buffers.items(), *module.__dict__.items()):
                if name not in _OF_EVERY_MODULE:
                    self._note(path, name, value, seen)

    def with_attributes_of(self, model: nn.Module) -> State:
        """Return this state with the modules' present attributes."""
        state = copy.copy(self)
        state._attributes = _attributes(model)
        return state

    def restore(self, *, thorough: bool = False) -> None:
        """Go back to this state.

        Args:
            thorough: restore large tensors too if torch counted no change: some kernels (those of
                observers) and ``tensor.data`` change tensors uncounted. Compare large containers, too.
        """
        for now, before in self._attributes:
            _restore(now, before)
        for container in self._containers:
            container.restore(thorough=thorough)
        with torch.no_grad():
            for held in self._tensors:
                unsure = thorough or held.value.numel() <= SMALL
                if held.counted or (unsure and _is_plain(held.tensor)):
                    if held.tensor.shape != held.value.shape:
                        held.tensor.resize_(held.value.shape)
                    held.tensor.copy_(held.value)
        self._tensors = [held._replace(version=held.tensor._version) for held in self._tensors]

    def changed(self) -> list[str]:
        """Return the names of tensors that have been changed since the last `restore`."""
        return [
            _joined(held.module, held.name)
            for held in self._tensors
            if held.counted or (_is_plain(held.tensor) and not torch.equal(held.tensor, held.value))
        ]

    def refuse_stale(self, unused: Iterable[str], model: nn.Module) -> None:
        """Refuse unused parameters whose module holds a tensor that may have been computed from them.

        Raises:
            ValueError: there is one.
        """
        for name in unused:
            path = name.rpartition(".")[0]
            buffers = model.get_submodule(path)._buffers
            for held in self._tensors:
                if (
                    held.module == path
                    and held.name not in buffers
                    and held.value.is_floating_point()
                ):
                    raise ValueError(
                        f"{name!r} is not used, and its module holds a tensor in {held.name!r}, which "
                        f"may have been computed from it in an earlier forward pass in eval mode; empty "
                        f"that (model.train() often does), or leave the parameter out with parameters="
                    )

    def _note(self, path: str, name: str, value: Any, seen: set[int]) -> None:
        if id(value) in seen:
            return
        if isinstance(value, Tensor):
            if not isinstance(value, nn.Parameter) and not value.is_inference():
                seen.add(id(value))
                copied = value.detach().clone()
                self._tensors.append(_Kept(path, name, value, value._version, copied))
        elif isinstance(value, dict | list | set | deque | tuple):
            seen.add(id(value))
            entries = value.values() if isinstance(value, dict) else value
            others = [entry for entry in entries if not isinstance(entry, _PLAIN)]
            if not isinstance(value, tuple):
                large = len(value) > LARGE and not others
                self._containers.append(_Container(value, large=large))
            for inner in others:
                self._note(path, name, inner, seen)


@contextmanager
def evaluation(model: nn.Module, tracked: Iterable[nn.Parameter]) -> Iterator[State]:
    """Put ``model`` in eval mode with gradients for ``tracked`` alone; undo all of it afterwards.

    Modes and other plain attributes of every module with the lists, dictionaries, sets and deques among
    them, ``requires_grad``, ``p.grad`` and buffers are as before afterwards, also when an exception passes
    through; meanwhile every ``p.grad`` is None. Yields the state that every forward pass should start from.

    Raises:
        ValueError: a module is scripted or traced; a normalisation layer uses the statistics of the
            batch in eval mode too, so that samples interact; an embedding rescales its weights whenever
            it is used.
    """
    _refuse_unsuitable(model)
    before = State(model)
    parameters = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    try:
        for module in model.modules():  # a module's own train() may do more than can be undone
            _set_mode(module)
        for parameter, _, _ in parameters:
            parameter.requires_grad_(False)
            parameter.grad = None
        for parameter in tracked:
            parameter.requires_grad_(True)
        yield before.with_attributes_of(model)
    finally:
        before.restore(thorough=True)
        for parameter, requires_grad, gradient in parameters:
            parameter.requires_grad_(requires_grad)
            parameter.grad = gradient


@contextmanager
def without_backward_hooks() -> Iterator[None]:
    """Run modules without their full backward hooks, which put functions of their own into the graph."""

    def untouched(_: BackwardHook, values: Any) -> Any:
        return values

    with (
        patch.object(BackwardHook, "setup_input_hook", untouched),
        patch.object(BackwardHook, "setup_output_hook", untouched),
    ):
        yield


def without_compiling() -> AbstractContextManager[None]:
    """Run what is compiled as it was written, so that its operations are seen (torch 2.6 or later)."""
    if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
        eager: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
        return eager
    return nullcontext()


def _attributes(model: nn.Module) -> list[tuple[Any, Any]]:
    return [(module.__dict__, dict(module.__dict__)) for module in model.modules()]


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _set_mode(module: nn.Module) -> None:
    module.training = False
    if isinstance(module, nn.RNNBase) and any(p.is_cuda for p in module.parameters()):
        # cuDNN goes back through a recurrent network in train mode only.
        module.training, module.dropout = True, 0.0
    if isinstance(module, DistributedDataParallel):
        # It would prepare for a backward pass of training, and talk to the other processes.
        module.require_backward_grad_sync = module.require_forward_param_sync = False
        module.find_unused_parameters = module.static_graph = False


def _restore(now: Any, before: Any) -> bool:
    """Give a container its earlier content back, if that has changed; return whether it has."""
    if _same(now, before):
        return False
    now.clear()
    (now.update if isinstance(now, dict | set) else now.extend)(before)
    return True


def _same(now: Any, before: Any) -> bool:
    """Return whether two containers hold the same objects, in the same order where they have one."""
    if isinstance(now, set):
        return bool(now == before)
    same = len(now) == len(before) and all(map(is_, now, before))
    return same and (not isinstance(now, dict) or all(map(is_, now.values(), before.values())))


def _is_plain(tensor: Tensor) -> bool:
    """Return whether every entry has its own, writable place in memory."""
    if (
        tensor.requires_grad
        or tensor._is_view()
        or tensor.is_meta
        or tensor.layout != torch.strided
    ):
        return False
    return all(
        stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if size > 1
    )


def _refuse_unsuitable(model: nn.Module) -> None:
    for path, module in model.named_modules():
        where = f"{path or 'the model'!r} ({type(module).__name__})"
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(
                f"{where} is scripted or traced, so the operations in it cannot be followed; measure "
                f"importance on the module it was made from, and script or trace that afterwards"
            )
        if getattr(module, "max_norm", None) is not None:
            raise ValueError(
                f"{where} changes its weights in the forward pass (max_norm={module.max_norm}), so "
                f"their importance is not defined; use max_norm=None"
            )
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ValueError(
                f"{where} has no running statistics and normalises with those of the batch, so samples "
                f"interact and there is no per-sample gradient; use track_running_stats=True or "
                f"another normalisation"
            )
