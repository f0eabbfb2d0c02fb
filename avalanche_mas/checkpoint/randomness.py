"""The states of all random numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from avalanche_mas.checkpoint.codec import CheckpointError
from avalanche_mas.randomness import host_states, set_host_states


def random_states() -> dict[str, Any]:
    """Return the states of the random numbers of Python, NumPy and torch, on the CPU and every GPU."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {**host_states(), "cuda": cuda}


def set_random_states(states: dict[str, Any]) -> None:
    """Set what `random_states` returned; on another number of GPUs, only the states of the CPU."""
    set_host_states(states)
    if len(states["cuda"]) == _gpus() > 0:
        torch.cuda.set_rng_state_all(states["cuda"])


def check_gpus(then: int | None, folder: Path) -> None:
    """Refuse to train on with another number of GPUs than a run was saved with, if it was.

    Raises:
        CheckpointError: There is another number.
    """
    if then not in (None, _gpus()):
        raise CheckpointError(
            f"the checkpoints in {folder} were saved with {then} GPUs and there are {_gpus()} here, so "
            "that the run would go on with other random numbers; go on with as many, or only look at "
            "what was learned, with restore()"
        )


def _gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
