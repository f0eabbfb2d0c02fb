"""The states of all random numbers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from avalanche_mas.checkpoint.codec import CheckpointError


def random_states() -> dict[str, Any]:
    """Return the states of the random numbers of Python, NumPy and torch, on the CPU and every GPU."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - the global one
    return {
        "python": random.getstate(),
        "numpy": (kind, np.asarray(keys).tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Set what `random_states` returned.

    Raises:
        CheckpointError: It was on another number of GPUs.
    """
    here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if len(states["cuda"]) != here:
        raise CheckpointError(
            f"the checkpoint was saved with {len(states['cuda'])} GPUs and there are {here} here, so that "
            "the run would go on with other random numbers; go on with as many"
        )
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if here:
        torch.cuda.set_rng_state_all(states["cuda"])
