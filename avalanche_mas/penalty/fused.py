"""The penalty's gradient on a GPU by one Triton kernel for all parameters of the same dtypes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from avalanche_mas.penalty.rates import Held

DEVICES = frozenset({"cuda"})
"""The types of devices that the kernel runs on."""

_DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}

_TYPES = {Tensor, nn.Parameter}
"""Subclasses may hold their entries elsewhere."""

_broken = False  # whether Triton is absent or has failed


def add_gradients(parameters: Iterable[Held], factor: float) -> list[Held]:
    """Add the penalty's gradient where the kernel can; return the other parameters, untouched.

    It takes float32, bfloat16 and float16 tensors without gaps, all in the same order in memory, and
    computes in float32. One launch handles all parameters of the same devices, dtypes and rate. Where
    Triton fails, there is one RuntimeWarning for the process, and the kernel takes nothing any more.
    """
    kinds: dict[Any, list[Held]] = {}
    others: list[Held] = []
    for held in parameters:
        kind = None if _broken else _kind(held)
        (others if kind is None else kinds.setdefault(kind, [])).append(held)
    for kind, group in kinds.items():
        if _broken or not _launched(kind, group, factor):
            others.extend(group)
    return others


def _kind(held: Held) -> tuple[Any, ...] | None:
    """Return what must be the same for one launch, or None where the kernel cannot be used."""
    (gradient, theta, anchor, omega), rate = held
    tensors, device = held.tensors, gradient.device
    devices = {each.device for each in tensors}
    if isinstance(rate, Tensor):
        devices.add(rate.device)
        rate = id(rate)
    dtypes = (gradient.dtype, theta.dtype, anchor.dtype, omega.dtype)
    if (
        device.type not in DEVICES
        or not _DTYPES.keys() >= set(dtypes)
        or not {type(each) for each in tensors} <= _TYPES
        or len(devices) > 1
        or not _without_gaps(tensors)
    ):
        return None
    addresses = gradient.data_ptr() | theta.data_ptr() | anchor.data_ptr() | omega.data_ptr()
    return device, dtypes, addresses % 16 == 0, rate


def _without_gaps(tensors: tuple[Tensor, ...]) -> bool:
    """Return whether the tensors lie in memory without gaps, all in the same order."""
    return all(each.is_contiguous() for each in tensors) or (
        tensors[0].dim() == 4
        and all(each.is_contiguous(memory_format=torch.channels_last) for each in tensors)
    )


def _launched(kind: tuple[Any, ...], group: list[Held], factor: float) -> bool:
    """Launch the kernel and return True, or warn and return False where Triton cannot do that."""
    global _broken
    if kind[0].type == "cuda" and torch.cuda.is_current_stream_capturing():
        return False  # a graph has no room for tables from the host
    try:
        _launch(kind, group, factor)
    except ImportError:
        _broken = True
    except Exception as error:
        _broken = True
        warnings.warn(
            f"Triton cannot run the penalty's kernel ({type(error).__name__}: {error}); the penalty "
            "goes on with torch's own kernels, which take several passes over memory",
            RuntimeWarning,
            stacklevel=2,
        )
    return not _broken


def _launch(kind: tuple[Any, ...], group: list[Held], factor: float) -> None:
    import triton.language as tl

    from avalanche_mas.penalty.kernel import BLOCK, add_gradients

    device, dtypes, aligned, _ = kind
    rate = group[0].rate
    with torch.cuda.device_of(group[0].tensors[0]):
        stream = torch.cuda.current_stream().cuda_stream if device.type == "cuda" else 0
        rows = tuple(
            [
                (g.numel(), g.data_ptr(), theta.data_ptr(), anchor.data_ptr(), omega.data_ptr())
                for (g, theta, anchor, omega), _ in group
            ]
        )
        blocks = _blocks(tuple([row[0] for row in rows]), BLOCK, device, stream)
        if len(blocks):
            add_gradients[(len(blocks),)](
                _table(rows, device, stream),
                blocks,
                rate if isinstance(rate, Tensor) else None,
                factor,
                factor * rate if isinstance(rate, float | int) else factor,
                *(getattr(tl, _DTYPES[dtype]) for dtype in dtypes),
                ALIGNED=aligned,
                DAMPED=rate is not None,
                BLOCK=BLOCK,
                enable_fp_fusion=False,
            )


# The tables are kept for the next step. They belong to a stream, so that no launch reads one before it
# is written or after its memory is used again.


@lru_cache(maxsize=16)
def _table(rows: tuple[tuple[int, ...], ...], device: torch.device, _stream: int) -> Tensor:
    """Return sizes and addresses on the device, [T, 5] int64."""
    return _sent(torch.tensor(rows, dtype=torch.int64, device="cpu"), device)


@lru_cache(maxsize=16)
def _blocks(sizes: tuple[int, ...], block: int, device: torch.device, _stream: int) -> Tensor:
    """Return the tensor and the number within it of every block, [blocks, 2] int32."""
    counts = torch.tensor([-(-size // block) for size in sizes], device="cpu")
    tensor = torch.arange(len(sizes), device="cpu").repeat_interleave(counts)
    number = torch.arange(len(tensor), device="cpu") - (counts.cumsum(0) - counts)[tensor]
    return _sent(torch.stack([tensor, number], dim=1).int(), device)


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    pinned = tensor.pin_memory() if device.type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)
