"""The global random numbers of Python, NumPy and torch."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def host_states() -> dict[str, Any]:
    """Return the states of the random numbers of Python, NumPy and torch on the CPU."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - the global one
    return {
        "python": random.getstate(),
        "numpy": (kind, np.asarray(keys).tolist(), *rest),
        "torch": torch.get_rng_state(),
    }


def set_host_states(states: dict[str, Any]) -> None:
    """Set what `host_states` returned."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch.set_rng_state(states["torch"])


@contextmanager
def untouched_randomness(devices: Iterable[torch.device]) -> Iterator[None]:
    """Restore the random states of Python, NumPy and torch (on the CPU and these devices) at the end."""
    before = host_states()
    try:
        with torch.random.fork_rng(
            devices=sorted({d.index or 0 for d in devices if d.type == "cuda"})
        ):
            yield
    finally:
        set_host_states(before)
