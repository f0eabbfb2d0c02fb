"""The states of all random numbers."""

from __future__ import annotations

from typing import Any

import torch

from avalanche_mas.checkpoint.codec import CheckpointError
from avalanche_mas.randomness import host_states, set_host_states


def random_states() -> dict[str, Any]:
    """Return the states of the random numbers of Python, NumPy and torch, on the CPU and every GPU."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {**host_states(), "cuda": cuda}


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
    set_host_states(states)
    if here:
        torch.cuda.set_rng_state_all(states["cuda"])
