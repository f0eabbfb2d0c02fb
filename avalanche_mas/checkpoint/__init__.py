"""Checkpoints of a run with an Avalanche strategy, from which it resumes to the bit."""

from avalanche_mas.checkpoint.codec import CheckpointError
from avalanche_mas.checkpoint.plugin import Checkpoints

__all__ = ["CheckpointError", "Checkpoints"]


def __dir__() -> list[str]:
    return __all__
