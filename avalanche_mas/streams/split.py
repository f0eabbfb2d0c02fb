"""Halving an official test set into validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from avalanche_mas.streams.task import Sample


def halve(samples: Sequence[Sample], seed: int) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Deal the samples out alternately, class by class: n // 2 to validation, the rest to test.

    Within a class the order is that of SHA-256("seed/name"), so that the halves depend on the seed
    and the pictures' names alone: not on the order of the lists, the machine or library versions.
    No class is halved more unevenly than by one picture.

    Args:
        samples: the official test set.
        seed: another seed gives other halves.

    Returns:
        Validation and test samples.
    """

    def place(sample: Sample) -> tuple[int, str]:
        return sample.label, sha256(f"{seed}/{sample.picture.name}".encode()).hexdigest()

    ordered = sorted(samples, key=place)
    return tuple(ordered[1::2]), tuple(ordered[0::2])
