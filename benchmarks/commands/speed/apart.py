"""Measurements in a process of their own, whose peak of memory nothing else has raised."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_all_start_methods, get_context
from typing import TypeVar

import torch
from torch import nn

from avalanche_mas.importance import global_importance
from avalanche_mas.peak import peak_bytes
from benchmarks.record.files import or_null

CPU = torch.device("cpu")
ReturnT = TypeVar("ReturnT")


def apart(call: Callable[..., ReturnT], *arguments: object) -> ReturnT:
    """Return what a function of a module returns in a fresh process, which then ends.

    Raises:
        BrokenProcessPool: The process was killed, as happens where memory runs out.
        Exception: What the function raises.
    """
    forks = "forkserver" in get_all_start_methods()  # forks a process that has only imported
    context = get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload(["benchmarks.commands.speed"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(call, *arguments).result()


def growth(make: Callable[..., Callable[[], object]], *arguments: object) -> float | None:
    """Return by how many bytes the call that `make` returns raises this process's peak.

    What `make` itself takes is not part of it. `None` where the system does not tell the peak.
    """
    load_kernels()
    call = make(*arguments)
    before = peak_bytes(CPU)
    call()
    return or_null(peak_bytes(CPU) - before)


def load_kernels() -> None:
    """Bring the code of the usual layers into memory, so that it is not counted later."""
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4)
    global_importance(nn.Sequential(*layers), [torch.randn(2, 3, 6, 6)])
