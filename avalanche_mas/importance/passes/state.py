"""Leaving a model as it was found."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["evaluation", "untouched_randomness"]


@contextmanager
def evaluation(model: nn.Module, tracked: Iterable[nn.Parameter]) -> Iterator[None]:
    """Put ``model`` in eval mode with gradients for ``tracked`` alone; undo all of it afterwards.

    Modes and other plain attributes of every module, ``requires_grad``, ``p.grad`` and buffers are as
    before afterwards, also when an exception passes through.

    Raises:
        ValueError: a normalisation layer uses the statistics of the batch in eval mode too, so that
            samples interact; an embedding that rescales its weights whenever it is used.
    """
    _refuse_unsuitable(model)
    attributes = [(module, dict(module.__dict__)) for module in model.modules()]  # modes among them
    parameters = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    buffers = [(module, dict(module._buffers)) for module in model.modules()]
    values = [(b, b._version, b.detach().clone()) for b in model.buffers()]
    try:
        for module, _ in attributes:  # a module's own train() may do more than can be undone
            module.training = False
            if isinstance(module, nn.RNNBase) and any(p.is_cuda for p in module.parameters()):
                # cuDNN goes back through a recurrent network in train mode only.
                module.training, module.dropout = True, 0.0
        for parameter, _, _ in parameters:
            parameter.requires_grad_(False)
        for parameter in tracked:
            parameter.requires_grad_(True)
        yield
    finally:
        for module, before in attributes:
            module.__dict__.clear()
            module.__dict__.update(before)
        for parameter, requires_grad, gradient in parameters:
            parameter.requires_grad_(requires_grad)
            parameter.grad = gradient
        for module, held in buffers:
            module._buffers.clear()
            module._buffers.update(held)
        with torch.no_grad():
            for buffer, version, value in values:
                if buffer._version != version or _is_plain(buffer):
                    buffer.resize_(value.shape).copy_(value)


@contextmanager
def untouched_randomness(devices: Iterable[torch.device]) -> Iterator[None]:
    """Restore the random states of Python, NumPy and torch (on the CPU and these devices) at the end."""
    cuda = sorted({d.index or 0 for d in devices if d.type == "cuda"})
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one is kept
    try:
        with torch.random.fork_rng(devices=cuda):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _is_plain(buffer: Tensor) -> bool:
    """Whether every entry has a place of its own in memory, and can be written to."""
    return buffer.layout == torch.strided and all(
        stride for size, stride in zip(buffer.shape, buffer.stride(), strict=True) if size > 1
    )


def _refuse_unsuitable(model: nn.Module) -> None:
    for path, module in model.named_modules():
        if getattr(module, "max_norm", None) is not None:
            raise ValueError(
                f"{path or 'the model'!r} ({type(module).__name__}) changes its weights in the forward "
                f"pass (max_norm={module.max_norm}), so their importance is not defined; use "
                f"max_norm=None"
            )
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise ValueError(
                f"{path or 'the model'!r} ({type(module).__name__}) has no running statistics and "
                f"normalises with those of the batch, so samples interact and there is no per-sample "
                f"gradient; use track_running_stats=True or another normalisation"
            )
